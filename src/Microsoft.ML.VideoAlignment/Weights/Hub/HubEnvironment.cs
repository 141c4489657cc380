using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Reads the environment variables of the hub's own tools, with the meaning that they have there (huggingface_hub, constants.py and utils/_auth.py).
/// </summary>
/// <param name="variable">Looks up a variable; null where it is not set.</param>
internal sealed partial class HubEnvironment(Func<string, string?> variable)
{
    private const string PublicEndpoint = "https://huggingface.co";

    private static readonly string[] s_tokens = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
    private static readonly string[] s_true = ["1", "ON", "YES", "TRUE"];

    /// <summary>Whether the user chose to work offline.</summary>
    public bool IsOffline => IsTrue(Value("HF_HUB_OFFLINE") ?? Value("TRANSFORMERS_OFFLINE"));

    /// <summary>The hub's address, ending in a slash.</summary>
    /// <exception cref="ArgumentException">HF_ENDPOINT is not an address.</exception>
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

    /// <summary>How long an answer without content may take. Default: 30 seconds.</summary>
    public TimeSpan AnswerTimeout => Seconds("HF_HUB_ETAG_TIMEOUT", 30);

    /// <summary>How long a download may be silent. Default: 60 seconds.</summary>
    public TimeSpan DownloadTimeout => Seconds("HF_HUB_DOWNLOAD_TIMEOUT", 60);

    private string Home => Value("HF_HOME") ?? Path.Combine(Value("XDG_CACHE_HOME") ?? Path.Combine("~", ".cache"), "huggingface");

    private string TokenFile => Expand(Value("HF_TOKEN_PATH") ?? Path.Combine(Home, "token"));

    /// <summary>Returns the access token: from a variable, else from the file that a login leaves. HF_HUB_DISABLE_IMPLICIT_TOKEN turns it off.</summary>
    /// <exception cref="ArgumentException">What is found there is not a token.</exception>
    public HubToken FindToken()
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

        return token is null
            ? new HubToken(null, "none was found in the variables HF_TOKEN and HUGGING_FACE_HUB_TOKEN or in the file "
                + $"{TokenFile} (HF_TOKEN_PATH, or token in HF_HOME), where a login leaves it")
            : token.All(letter => letter is > ' ' and <= '~')
                ? new HubToken(token, $"the one from {place} was sent")
                : throw new ArgumentException($"The access token from {place} holds blanks or characters that no token has. "
                    + "Log in again, or set HF_TOKEN to the token alone.");
    }

    /// <summary>Expands "~" and variables in a path, as a shell does.</summary>
    /// <param name="path">The path.</param>
    /// <exception cref="ArgumentException">The path begins with the home of another user.</exception>
    public string Expand(string path)
    {
        if (path.StartsWith('~'))
        {
            string home = Value("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            path = path.Length == 1 || path[1] == '/' || path[1] == Path.DirectorySeparatorChar
                ? home + path[1..]
                : throw new ArgumentException($"'{path}' begins with the home of another user, which is not looked up; write out the path.");
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
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 1e6
            ? TimeSpan.FromSeconds(seconds)
            : throw new ArgumentException($"{name} is '{text}'; expected a number of seconds above 0.");

    private static bool IsTrue(string? value) => value is not null && s_true.Contains(value.ToUpperInvariant());

    private string? Value(string name) => variable(name) is { Length: > 0 } value ? value : null;

    [GeneratedRegex(@"\$(?<name>[A-Za-z0-9_]+)|\$\{(?<name>[^}]+)\}|%(?<name>[A-Za-z0-9_]+)%", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Variable();
}

/// <summary>An access token, or its absence.</summary>
/// <param name="Value">The token; null: none.</param>
/// <param name="Description">Where the token came from, or where it was looked for; without the token.</param>
internal sealed record HubToken(string? Value, string Description)
{
    /// <summary>Returns the description: a token is never printed.</summary>
    public override string ToString() => Description;
}
