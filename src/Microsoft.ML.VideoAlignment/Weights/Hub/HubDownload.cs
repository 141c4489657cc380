using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// One file into the cache's blobs: appended to HASH.incomplete, which a later try goes on with, checked by its hash, then renamed. A name without
/// ".incomplete" is always a whole file.
/// </summary>
internal sealed class HubDownload(HubClient client, HubCache cache, HubModel model, TimeSpan pause)
{
    private const int Attempts = 5;
    private const int BufferBytes = 1 << 20;
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(60);

    /// <summary>Fetches the file unless it is there.</summary>
    /// <remarks>
    /// <paramref name="arrived"/>: told how many bytes of this file are there, now and then.
    /// </remarks>
    /// <exception cref="ModelDownloadException">It did not come whole, or is not what the hub says it is.</exception>
    public void Fetch(string commit, HubFile file, Action<long> arrived)
    {
        string blob = cache.Blob(file.Hash!);
        if (HubCache.LengthOf(blob) is { } length && (file.Size is null || length == file.Size))
        {
            arrived(length);
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        string partial = $"{blob}.incomplete";

        // What an earlier try left may be damaged; after a wrong hash it is fetched from the start, once.
        bool resumed = HubCache.LengthOf(partial) > 0;
        Complete(commit, file, partial, arrived);
        string hash = HashOf(partial, file.Hash!.Length);
        if (hash != file.Hash && resumed)
        {
            File.Delete(partial);
            Complete(commit, file, partial, arrived);
            hash = HashOf(partial, file.Hash.Length);
        }

        if (hash != file.Hash)
        {
            File.Delete(partial);
            throw new ModelDownloadException(model.Id,
                $"{file.Path} came with the hash {hash}, but the hub says {file.Hash}: it was damaged or changed on its way, and is thrown away. Try again, or over another network.");
        }

        File.Move(partial, blob, overwrite: true);
    }

    private void Complete(string commit, HubFile file, string partial, Action<long> arrived)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                Append(commit, file, partial, arrived);
                return;
            }
            catch (Exception exception) when (IsPassing(exception))
            {
                if (attempt == Attempts)
                {
                    throw new ModelDownloadException(model.Id,
                        $"{file.Path} did not come whole in {Attempts} tries ({exception.Message}). {HubCache.LengthOf(partial) ?? 0} bytes of it are kept; call again to go on.", exception);
                }

                Thread.Sleep(pause * attempt);
            }
        }
    }

    private void Append(string commit, HubFile file, string partial, Action<long> arrived)
    {
        using var target = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        if (file.Size is { } size && target.Length >= size)
        {
            if (target.Length == size)
            {
                return;
            }

            target.SetLength(0);
        }

        using HttpResponseMessage response = client.Open(commit, file, target.Length);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            target.SetLength(0);
            throw new HttpIOException(HttpRequestError.InvalidResponse, "the hub cannot go on where the last try ended");
        }

        bool goesOn = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == target.Length;
        if (response.StatusCode == HttpStatusCode.PartialContent && !goesOn)
        {
            target.SetLength(0);
            throw new HttpIOException(HttpRequestError.InvalidResponse, "the hub sent another part than was asked for");
        }

        target.SetLength(goesOn ? target.Length : 0);
        target.Seek(0, SeekOrigin.End);
        Copy(response, target, file, arrived);
        long expected = file.Size ?? response.Content.Headers.ContentRange?.Length ?? (goesOn ? null : response.Content.Headers.ContentLength) ?? target.Length;
        if (target.Length != expected)
        {
            bool tooLong = target.Length > expected;
            string lengths = $"{target.Length} bytes of {expected}";
            target.SetLength(tooLong ? 0 : target.Length);
            throw new HttpIOException(HttpRequestError.ResponseEnded, $"the connection ended after {lengths}");
        }
    }

    private static void Copy(HttpResponseMessage response, FileStream target, HubFile file, Action<long> arrived)
    {
        using Stream source = response.Content.ReadAsStream();

        // A connection that is silent for long is dead; the read then fails, and the next try goes on from here.
        using var watch = new Timer(_ => response.Dispose());
        byte[] buffer = new byte[BufferBytes];
        while (true)
        {
            watch.Change(s_silence, Timeout.InfiniteTimeSpan);
            int count = source.Read(buffer);
            if (count == 0)
            {
                return;
            }

            target.Write(buffer, 0, count);
            arrived(target.Length);
            if (target.Length > file.Size)
            {
                return;
            }
        }
    }

    /// <summary>What may be over at the next try: a cut, a busy hub.</summary>
    private static bool IsPassing(Exception exception) => exception switch
    {
        ModelDownloadException or DirectoryNotFoundException or PathTooLongException => false,
        HttpRequestException request => request.StatusCode is null or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
        IOException or ObjectDisposedException or OperationCanceledException => true,
        _ => false,
    };

    /// <summary>By the length of the hash that is asked for: SHA-256, or Git's SHA-1 of "blob LENGTH\0" and the content.</summary>
    private static string HashOf(string path, int digits)
    {
        using FileStream file = File.OpenRead(path);
#pragma warning disable CA5350 // Git's name of the file, given by the hub: it finds damage, not forgery.
        using var hash = IncrementalHash.CreateHash(digits == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        hash.AppendData(digits == 64 ? [] : Encoding.ASCII.GetBytes($"blob {file.Length}\0"));
        byte[] buffer = new byte[BufferBytes];
        for (int count; (count = file.Read(buffer)) > 0;)
        {
            hash.AppendData(buffer, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
