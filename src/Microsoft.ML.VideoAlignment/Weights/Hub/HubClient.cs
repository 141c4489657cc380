using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Sends requests to the hub. The token goes only to the hub's own host, over https or to this machine, and not to where the hub redirects downloads.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MaxListingBytes = 64 << 20;
    private const int MaxRedirects = 5;

    private readonly HttpClient _http;
    private readonly Uri _endpoint;
    private readonly HubToken _token;
    private readonly TimeSpan _patience;
    private readonly HubModel _model;

    /// <summary>Creates a client for one model.</summary>
    /// <param name="model">The model and its revision.</param>
    /// <param name="environment">The settings of the hub's tools: address, token, time limits.</param>
    /// <param name="handler">Sends the requests and must not follow redirects; null: the network.</param>
    public HubClient(HubModel model, HubEnvironment environment, HttpMessageHandler? handler = null)
    {
        _model = model;
        _endpoint = environment.Endpoint;
        _patience = environment.AnswerTimeout;
        HubToken token = environment.FindToken();
        _token = token.Value is null || _endpoint.Scheme == "https" || _endpoint.IsLoopback ? token
            : new HubToken(null, $"it was not sent, because {_endpoint} is not encrypted; set HF_ENDPOINT to an https address");
        _http = new HttpClient(handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = _patience }, disposeHandler: handler is null)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The address of the model's web page.</summary>
    public Uri Page => new(_endpoint, _model.Id);

    /// <summary>Asks for the commit of the revision and its files.</summary>
    /// <param name="cancellation">Ends the request.</param>
    /// <exception cref="HttpRequestException">There is no network, or the hub does not answer.</exception>
    /// <exception cref="ModelDownloadException">The hub refuses, or its answer is unsound.</exception>
    public async Task<(string Commit, IReadOnlyList<HubFile> Files)> ListAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource timeout = WithTimeout(cancellation);
        var address = new Uri(_endpoint, $"api/models/{_model.Id}/revision/{Uri.EscapeDataString(_model.Revision)}?blobs=true");
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, address, null, timeout.Token).ConfigureAwait(false);
        using Stream stream = await response.Content.ReadAsStreamAsync(timeout.Token).ConfigureAwait(false);
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        for (int count; (count = await stream.ReadAsync(buffer, timeout.Token).ConfigureAwait(false)) > 0;)
        {
            bytes.Write(buffer, 0, count);
            if (bytes.Length > MaxListingBytes)
            {
                throw Fault($"the hub's list of files is longer than {MaxListingBytes} bytes.");
            }
        }

        return ReadListing(bytes.GetBuffer().AsMemory(0, (int)bytes.Length));
    }

    /// <summary>Reads the size and hash of a file whose listing lacks them, from the headers of its address.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="file">The file as listed.</param>
    /// <param name="cancellation">Ends the request.</param>
    public async Task<HubFile> DescribeAsync(string commit, HubFile file, CancellationToken cancellation)
    {
        using CancellationTokenSource timeout = WithTimeout(cancellation);
        using HttpResponseMessage response = await SendAsync(HttpMethod.Head, Address(commit, file), null, timeout.Token, follow: false).ConfigureAwait(false);
        string? Header(string name) => response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
        string? tag = Header("X-Linked-ETag") ?? Header("ETag");
        string? size = Header("X-Linked-Size");
        return file with
        {
            Hash = Hash(tag?.Replace("W/", "", StringComparison.Ordinal).Trim('"'))
                ?? throw Fault($"the hub gives no hash for {file.Path} (ETag '{tag}'); without one a download cannot be checked."),
            Size = file.Size
                ?? (long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long length) ? length : response.Content.Headers.ContentLength),
        };
    }

    /// <summary>Requests a file's content from an offset on; the hub may ignore the offset and send everything.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="file">The file.</param>
    /// <param name="from">The first byte wanted, from 0.</param>
    /// <param name="cancellation">Ends the request.</param>
    public async Task<HttpResponseMessage> OpenAsync(string commit, HubFile file, long from, CancellationToken cancellation)
    {
        using CancellationTokenSource timeout = WithTimeout(cancellation);
        return await SendAsync(HttpMethod.Get, Address(commit, file), from > 0 ? new RangeHeaderValue(from, null) : null, timeout.Token).ConfigureAwait(false);
    }

    public void Dispose() => _http.Dispose();

    private CancellationTokenSource WithTimeout(CancellationToken cancellation)
    {
        var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(_patience);
        return timeout;
    }

    private (string Commit, IReadOnlyList<HubFile> Files) ReadListing(ReadOnlyMemory<byte> text)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 64 });
            string commit = json.RootElement.GetProperty("sha").GetString() ?? "";
            HubFile[] files = [.. json.RootElement.GetProperty("siblings").EnumerateArray().Select(ReadFile)];
            if (files.GroupBy(static file => file.Path, StringComparer.Ordinal).FirstOrDefault(static same => same.Count() > 1) is { } twice)
            {
                throw Fault($"the hub lists '{twice.Key}' twice.");
            }

            return HubModel.Parse(_model.Id, commit).Commit is null ? throw Fault($"the hub's answer names no commit ('{commit}').") : (commit, files);
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw Fault($"the hub's answer is not the list of files that was asked for: {exception.Message}", exception);
        }
    }

    private Uri Address(string commit, HubFile file) =>
        new(_endpoint, $"{_model.Id}/resolve/{commit}/{string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString))}");

    private HubFile ReadFile(JsonElement entry)
    {
        string path = entry.GetProperty("rfilename").GetString() ?? "";
        if (!HubModel.IsSafePath(path))
        {
            throw Fault($"the hub lists a file '{path}', whose name leads out of the model's folder. It is not fetched.");
        }

        bool large = entry.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object;
        JsonElement place = large ? lfs : entry;
        string? Text(string name) => place.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        long? size = place.TryGetProperty("size", out JsonElement length) && length.ValueKind == JsonValueKind.Number ? length.GetInt64() : null;
        return size is >= 0 or null
            ? new HubFile(path, size, Hash(large ? Text("sha256") ?? Text("oid") : Text("blobId")))
            : throw Fault($"the hub lists '{path}' with {size} bytes.");
    }

    private static string? Hash(string? text) => text is { Length: 40 or 64 } && text.All(char.IsAsciiHexDigit) ? text.ToLowerInvariant() : null;

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, Uri address, RangeHeaderValue? range, CancellationToken cancellation, bool follow = true)
    {
        for (int redirect = 0; redirect <= MaxRedirects; redirect++)
        {
            using var request = new HttpRequestMessage(method, address);
            request.Headers.Range = range;
            request.Headers.UserAgent.ParseAdd("Microsoft.ML.VideoAlignment");
            bool home = address.Host == _endpoint.Host && address.Scheme == _endpoint.Scheme && address.Port == _endpoint.Port;
            request.Headers.Authorization = home && _token.Value is not null ? new AuthenticationHeaderValue("Bearer", _token.Value) : null;
            HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            bool moved = (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is not null;
            Uri next = moved ? new Uri(address, response.Headers.Location!) : address;

            // A file's own headers come with the redirect; a renamed model is another address of the hub.
            if (!moved || (!follow && next.Host != _endpoint.Host))
            {
                return moved || response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable
                    ? response
                    : throw Refused(response, address);
            }

            response.Dispose();
            address = next.Scheme == "https" || next.Scheme == address.Scheme
                ? next
                : throw Fault($"{address} leads to {next}, which is not encrypted. It is not followed.");
        }

        throw Fault($"{address} redirects more than {MaxRedirects} times.");
    }

    private Exception Refused(HttpResponseMessage response, Uri address)
    {
        int status = (int)response.StatusCode;
        RetryConditionHeaderValue? retry = response.Headers.RetryAfter;
        string wait = retry switch
        {
            { Delta: { } seconds } => $"Call again in {seconds.TotalSeconds:0} seconds, as it asks",
            { Date: { } date } => $"Call again after {date:u}, as it asks",
            _ => "Call again in some minutes",
        };
        response.Dispose();
        return status switch
        {
            401 or 403 => Fault($"the hub refuses ({status}). The model may be private or gated, or its name is misspelled: look at {Page}, "
                + $"accept its license there if it asks for that, and set HF_TOKEN to your access token. About the token: {_token.Description}."),
            404 => Fault($"the hub has no such model, revision '{_model.Revision}' or file ({address}), or shows it only to those with access. "
                + $"Check the spelling at {Page}. About the token: {_token.Description}."),
            429 => Answered($"too many requests came from here. {wait}; with a token more are allowed. About the token: {_token.Description}."),
            >= 500 => Answered($"it is out of order or overloaded, which passes. {wait}."),
            _ => Answered($"which does not answer this request. Look at {Page}, and at HF_ENDPOINT where it is set."),
        };

        HubRefusalException Answered(string meaning) => new(
            $"the hub answered {status} ({address}): {meaning}", (HttpStatusCode)status, retry?.Delta ?? (retry?.Date - TimeProvider.System.GetUtcNow()));
    }

    private ModelDownloadException Fault(string problem, Exception? inner = null) => new(_model.Id, problem, inner);
}
