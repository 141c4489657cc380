using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A hub in this process: lists the files of one model and sends them, large ones from another host, with the faults that a test asks for.</summary>
internal sealed class FakeHub : HttpMessageHandler
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    /// <summary>By name. Those of more than 1000 bytes are large and have a SHA-256, the others Git's hash.</summary>
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal)
    {
        ["model_index.json"] = "{}"u8.ToArray(),
        ["unet/model.safetensors"] = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7))],
    };

    public List<string> Requests { get; } = [];

    /// <summary>After how many bytes of content each following answer breaks off.</summary>
    public Queue<int> Cuts { get; } = [];

    public bool IgnoresRanges { get; init; }

    public bool IsDown { get; set; }

    /// <summary>Whether the listing has neither sizes nor hashes, as mirrors' listings.</summary>
    public bool ListsNamesOnly { get; init; }

    /// <summary>Answers other than the usual, by a part of the address.</summary>
    public Dictionary<string, HttpStatusCode> Refusals { get; } = [];

    /// <summary>After how many bytes of content an answer falls silent for good; null: none does.</summary>
    public int? SilentAfter { get; set; }

    /// <summary>Called with each request's address before it is answered.</summary>
    public Action<Uri>? Asked { get; set; }

    /// <summary>What is sent in place of a file's content.</summary>
    public Dictionary<string, byte[]> Damaged { get; } = [];

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (IsDown)
        {
            throw new HttpRequestException("no such host is known");
        }

        Uri address = request.RequestUri!;
        Asked?.Invoke(address);
        lock (Requests)
        {
            Requests.Add($"{request.Method} {address} {request.Headers.Range}{(request.Headers.Authorization is null ? "" : " token")}".TrimEnd());
        }

        if (Refusals.Keys.FirstOrDefault(part => address.AbsoluteUri.Contains(part, StringComparison.Ordinal)) is { } refused)
        {
            return new HttpResponseMessage(Refusals[refused]);
        }

        if (address.AbsolutePath.Contains("/api/models/", StringComparison.Ordinal))
        {
            return new HttpResponseMessage { Content = new ByteArrayContent(Listing()) };
        }

        string name = Uri.UnescapeDataString(address.AbsolutePath[(address.AbsolutePath.IndexOf(Commit, StringComparison.Ordinal) + Commit.Length + 1)..]);
        if (!Files.TryGetValue(name, out byte[]? content))
        {
            return new HttpResponseMessage(HttpStatusCode.NotFound);
        }

        if (content.Length > 1000 && address.Host != "cdn.test")
        {
            var redirect = new HttpResponseMessage(HttpStatusCode.Redirect);
            redirect.Headers.Location = new Uri($"https://cdn.test{address.AbsolutePath}");
            redirect.Headers.Add("X-Linked-ETag", $"\"{Hash(content)}\"");
            redirect.Headers.Add("X-Linked-Size", $"{content.Length}");
            return redirect;
        }

        return Content(request, Damaged.GetValueOrDefault(name, content), Hash(content));
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        Task.FromResult(Send(request, cancellationToken));

    public static string Hash(byte[] content)
    {
#pragma warning disable CA5350 // Git's.
        return Convert.ToHexStringLower(content.Length > 1000
            ? SHA256.HashData(content)
            : SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350
    }

    private HttpResponseMessage Content(HttpRequestMessage request, byte[] content, string hash)
    {
        int from = IgnoresRanges ? 0 : (int)(request.Headers.Range?.Ranges.First().From ?? 0);
        if (from > content.Length)
        {
            return new HttpResponseMessage(HttpStatusCode.RequestedRangeNotSatisfiable);
        }

        Stream stream = new MemoryStream(content[from..]);
        var response = new HttpResponseMessage(from > 0 ? HttpStatusCode.PartialContent : HttpStatusCode.OK)
        {
            Content = new StreamContent(
                SilentAfter is { } silent ? new CutStream(stream, silent, falls: true)
                : Cuts.TryDequeue(out int cut) ? new CutStream(stream, cut, falls: false)
                : stream),
        };
        response.Content.Headers.ContentLength = content.Length - from;
        response.Content.Headers.ContentRange = from > 0 ? new ContentRangeHeaderValue(from, content.Length - 1, content.Length) : null;
        response.Headers.ETag = new EntityTagHeaderValue($"\"{hash}\"", isWeak: true);
        return response;
    }

    private byte[] Listing() => JsonSerializer.SerializeToUtf8Bytes(new
    {
        sha = Commit,
        siblings = Files.Select(file => ListsNamesOnly ? (object)new { rfilename = file.Key }
            : file.Value.Length > 1000 ? new
            {
                rfilename = file.Key,
                size = file.Value.Length,
                blobId = new string('0', 40),
                lfs = new { sha256 = Hash(file.Value), size = file.Value.Length },
            }
            : new { rfilename = file.Key, size = file.Value.Length, blobId = Hash(file.Value) }),
    });

    /// <summary>Fails after some bytes, or falls silent until the reader gives up.</summary>
    private sealed class CutStream(Stream inner, int bytes, bool falls) : Stream
    {
        private int _left = bytes;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => inner.Length;

        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (_left == 0)
            {
                throw new HttpIOException(HttpRequestError.ResponseEnded, "cut");
            }

            int read = inner.Read(buffer, offset, Math.Min(count, _left));
            _left -= read;
            return read;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_left == 0 && falls)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            byte[] bytes = new byte[buffer.Length];
            int read = Read(bytes, 0, bytes.Length);
            bytes.AsMemory(0, read).CopyTo(buffer);
            return read;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
