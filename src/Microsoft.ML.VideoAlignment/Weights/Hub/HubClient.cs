using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Speaks to the hub. The token goes to the hub's own host only, not to where it redirects downloads.</summary>
internal sealed class HubClient : IDisposable
{
    private const string PublicEndpoint = "https://huggingface.co";
    private const int MaxListingBytes = 64 << 20;
    private const int MaxRedirects = 5;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http;
    private readonly Uri _endpoint;
    private readonly string? _token;
    private readonly HubModel _model;

    /// <remarks>
    /// <paramref name="handler"/>: null for the network; must not follow redirects.
    /// </remarks>
    public HubClient(HubModel model, Func<string, string?> environment, HttpMessageHandler? handler = null)
    {
        string endpoint = environment("HF_ENDPOINT") is { Length: > 0 } other ? other : PublicEndpoint;
        _endpoint = Uri.TryCreate($"{endpoint.TrimEnd('/')}/", UriKind.Absolute, out Uri? uri) && uri.Scheme is "https" or "http"
            ? uri
            : throw new ArgumentException($"HF_ENDPOINT is '{endpoint}'; expected an address such as {PublicEndpoint}.");
        _token = environment("HF_TOKEN") is { Length: > 0 } token ? token : null;
        _model = model;
        _http = new HttpClient(handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = s_patience }, disposeHandler: handler is null)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The page of the model, for people.</summary>
    public Uri Page => new(_endpoint, _model.Id);

    /// <summary>The commit of the revision and its files.</summary>
    /// <exception cref="HttpRequestException">No network, or no hub.</exception>
    /// <exception cref="ModelDownloadException">The hub refuses, or its answer is unsound.</exception>
    public (string Commit, IReadOnlyList<HubFile> Files) List()
    {
        using var timeout = new CancellationTokenSource(s_patience);
        using HttpResponseMessage response = Send(HttpMethod.Get, new Uri(_endpoint, $"api/models/{_model.Id}/revision/{Uri.EscapeDataString(_model.Revision)}?blobs=true"), null, timeout.Token);
        using Stream stream = response.Content.ReadAsStream(timeout.Token);
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            bytes.Write(buffer, 0, count);
            if (bytes.Length > MaxListingBytes)
            {
                throw Fault($"the hub's list of files is longer than {MaxListingBytes} bytes.");
            }
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), new JsonDocumentOptions { MaxDepth = 64 });
            string commit = json.RootElement.GetProperty("sha").GetString() ?? "";
            HubFile[] files = [.. json.RootElement.GetProperty("siblings").EnumerateArray().Select(ReadFile)];
            return HubModel.Parse(_model.Id, commit).Commit is null ? throw Fault($"the hub's answer names no commit ('{commit}').") : (commit, files);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw Fault($"the hub's answer is not the list of files that was asked for: {exception.Message}", exception);
        }
    }

    /// <summary>Size and hash of a file whose listing lacks them, from the headers of its address.</summary>
    public HubFile Describe(string commit, HubFile file)
    {
        using var timeout = new CancellationTokenSource(s_patience);
        using HttpResponseMessage response = Send(HttpMethod.Head, Address(commit, file), null, timeout.Token, follow: false);
        string? Header(string name) => response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
        string? tag = Header("X-Linked-ETag") ?? Header("ETag");
        string? size = Header("X-Linked-Size");
        return file with
        {
            Hash = Hash(tag?.Replace("W/", "", StringComparison.Ordinal).Trim('"')) ?? throw Fault($"the hub gives no hash for {file.Path} (ETag '{tag}'); without one a download cannot be checked."),
            Size = file.Size ?? (long.TryParse(size, out long length) ? length : response.Content.Headers.ContentLength),
        };
    }

    /// <summary>The content from a byte on; the hub may ignore that and send all.</summary>
    public HttpResponseMessage Open(string commit, HubFile file, long from) =>
        Send(HttpMethod.Get, Address(commit, file), from > 0 ? new RangeHeaderValue(from, null) : null, CancellationToken.None);

    public void Dispose() => _http.Dispose();

    private Uri Address(string commit, HubFile file) => new(_endpoint, $"{_model.Id}/resolve/{commit}/{string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString))}");

    private HubFile ReadFile(JsonElement entry)
    {
        string path = entry.GetProperty("rfilename").GetString() ?? "";
        if (!HubModel.IsPlain(path))
        {
            throw Fault($"the hub lists a file '{path}', whose name leads out of the model's folder. It is not fetched.");
        }

        bool large = entry.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object;
        JsonElement place = large ? lfs : entry;
        string? Text(string name) => place.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        long? size = place.TryGetProperty("size", out JsonElement length) && length.ValueKind == JsonValueKind.Number ? length.GetInt64() : null;
        return new HubFile(path, size, Hash(large ? Text("sha256") ?? Text("oid") : Text("blobId")));
    }

    private static string? Hash(string? text) => text is { Length: 40 or 64 } && text.All(char.IsAsciiHexDigit) ? text.ToLowerInvariant() : null;

    private HttpResponseMessage Send(HttpMethod method, Uri address, RangeHeaderValue? range, CancellationToken stop, bool follow = true)
    {
        for (int redirect = 0; redirect <= MaxRedirects; redirect++)
        {
            using var request = new HttpRequestMessage(method, address);
            request.Headers.Range = range;
            request.Headers.UserAgent.ParseAdd("Microsoft.ML.VideoAlignment");
            bool home = address.Host == _endpoint.Host && address.Scheme == _endpoint.Scheme && address.Port == _endpoint.Port;
            request.Headers.Authorization = home && _token is not null ? new AuthenticationHeaderValue("Bearer", _token) : null;
            HttpResponseMessage response = _http.Send(request, HttpCompletionOption.ResponseHeadersRead, stop);
            bool moved = (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is not null;
            Uri next = moved ? new Uri(address, response.Headers.Location!) : address;

            // A file's own headers come with the redirect; a renamed model is another address of the hub.
            if (!moved || (!follow && next.Host != _endpoint.Host))
            {
                return moved || response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable ? response : throw Refused(response, address);
            }

            response.Dispose();
            address = next.Scheme == "https" || next.Scheme == address.Scheme ? next : throw Fault($"{address} leads to {next}, which is not encrypted. It is not followed.");
        }

        throw Fault($"{address} redirects more than {MaxRedirects} times.");
    }

    private Exception Refused(HttpResponseMessage response, Uri address)
    {
        int status = (int)response.StatusCode;
        response.Dispose();
        return status switch
        {
            401 or 403 => Fault($"the hub refuses ({status}). The model may be private, or its licence must be accepted: do that at {Page}, and set HF_TOKEN to an access token of yours."),
            404 => Fault($"the hub has no such model, revision '{_model.Revision}' or file ({address}). Check the spelling at {Page}."),
            _ => new HttpRequestException($"{address}: the hub answered {status}.", null, (HttpStatusCode)status),
        };
    }

    private ModelDownloadException Fault(string problem, Exception? inner = null) => new(_model.Id, problem, inner);
}
