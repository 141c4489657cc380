using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The environment variables of the hub's own tools, with the meaning that they have there (huggingface_hub, constants.py and utils/_auth.py).</summary>
/// <param name="variable">Looks up a variable; null: it is not set.</param>
internal sealed partial class HubEnvironment(Func<string, string?> variable)
{
    private const string PublicEndpoint = "https://huggingface.co";

    private static readonly string[] s_tokens = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
    private static readonly string[] s_true = ["1", "ON", "YES", "TRUE"];

    /// <summary>Whether the user chose that no network is asked.</summary>
    public bool IsOffline => IsTrue(Value("HF_HUB_OFFLINE") ?? Value("TRANSFORMERS_OFFLINE"));

    /// <summary>The hub's address, with a slash at its end.</summary>
    /// <exception cref="ArgumentException">HF_ENDPOINT is no address.</exception>
    public Uri Endpoint
    {
        get
        {
            string endpoint = Value("HF_ENDPOINT") ?? PublicEndpoint;
            return Uri.TryCreate($"{endpoint.Trim().TrimEnd('/')}/", UriKind.Absolute, out Uri? uri) && uri.Scheme is "https" or "http"
                ? uri
                : throw new ArgumentException($"HF_ENDPOINT is '{endpoint}'; expected an address such as {PublicEndpoint}.");
        }
    }

    /// <summary>The folder of the cache.</summary>
    public string CacheFolder => Expand(Value("HF_HUB_CACHE") ?? Value("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(Home, "hub"));

    /// <summary>How long an answer without content may take.</summary>
    public TimeSpan AnswerTimeout => Seconds("HF_HUB_ETAG_TIMEOUT", 30);

    /// <summary>How long a download may be silent.</summary>
    public TimeSpan DownloadTimeout => Seconds("HF_HUB_DOWNLOAD_TIMEOUT", 60);

    private string Home => Value("HF_HOME") ?? Path.Combine(Value("XDG_CACHE_HOME") ?? Path.Combine("~", ".cache"), "huggingface");

    private string TokenFile => Expand(Value("HF_TOKEN_PATH") ?? Path.Combine(Home, "token"));

    /// <summary>The access token: of a variable, else of the file that a login leaves; what is sent without being asked for can be switched off.</summary>
    /// <exception cref="ArgumentException">What stands there is no token.</exception>
    public HubToken Token()
    {
        if (IsTrue(Value("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        {
            return new HubToken(null, "none is sent, because HF_HUB_DISABLE_IMPLICIT_TOKEN is set");
        }

        string? place = s_tokens.FirstOrDefault(name => Value(name)?.Trim() is { Length: > 0 });
        string? token = place is null ? null : Value(place)!.Trim();
        if (token is null && File.Exists(TokenFile) && ReadTokenFile() is { Length: > 0 } saved)
        {
            (place, token) = (TokenFile, saved);
        }

        return token is null ? new HubToken(null, $"none was found in the variables HF_TOKEN and HUGGING_FACE_HUB_TOKEN or in the file {TokenFile} (HF_TOKEN_PATH, or token in HF_HOME), where a login leaves it")
            : token.All(letter => letter is > ' ' and <= '~') ? new HubToken(token, $"the one of {place} was sent")
            : throw new ArgumentException($"The access token of {place} holds blanks or letters that no token has. Log in again, or set HF_TOKEN to the token alone.");
    }

    /// <summary>A path with "~" and variables put in, as a shell does.</summary>
    /// <exception cref="ArgumentException">It names the home of another user.</exception>
    public string Expand(string path)
    {
        if (path.StartsWith('~'))
        {
            string home = Value("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            path = path.Length == 1 || path[1] == '/' || path[1] == Path.DirectorySeparatorChar
                ? home + path[1..]
                : throw new ArgumentException($"'{path}' begins with the home of another user, which is not looked up; write the path out.");
        }

        return Variable().Replace(path, match => Value(match.Groups["name"].Value) ?? match.Value);
    }

    private string? ReadTokenFile()
    {
        try
        {
            return File.ReadAllText(TokenFile).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"The access token in {TokenFile} cannot be read: {exception.Message}", exception);
        }
    }

    private TimeSpan Seconds(string name, int otherwise) => Value(name) is not { } text ? TimeSpan.FromSeconds(otherwise)
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 1e6 ? TimeSpan.FromSeconds(seconds)
        : throw new ArgumentException($"{name} is '{text}'; expected a number of seconds above 0.");

    private static bool IsTrue(string? value) => value is not null && s_true.Contains(value.ToUpperInvariant());

    private string? Value(string name) => variable(name) is { Length: > 0 } value ? value : null;

    [GeneratedRegex(@"\$(?<name>[A-Za-z0-9_]+)|\$\{(?<name>[^}]+)\}|%(?<name>[A-Za-z0-9_]+)%", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Variable();
}

/// <summary>An access token, or none.</summary>
/// <param name="Value">The token; null: none.</param>
/// <param name="Description">Where it came from, or where it was looked for; without the token.</param>
internal sealed record HubToken(string? Value, string Description)
{
    /// <summary>The description: a token is never printed.</summary>
    public override string ToString() => Description;
}
