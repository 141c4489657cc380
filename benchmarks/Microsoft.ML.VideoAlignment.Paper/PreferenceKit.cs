using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Pairs of videos that a person chooses from without knowing which is whose, and the key that knows.</summary>
internal static class PreferenceKit
{
    private static readonly JsonSerializerOptions s_json =
        new(JsonSerializerDefaults.Web) { WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>What a person is asked of each pair: the two questions of VADER's Table 2.</summary>
    public static IReadOnlyList<BenchmarkBase> Questions { get; } =
    [
        new("quality", "Which video looks better?"),
        new("text", "Which video follows the text better?"),
    ];

    /// <summary>
    /// The page, complete in itself, and its key. Which of a pair comes first is drawn with the seed, so that neither the page's text nor its order tells.
    /// </summary>
    /// <param name="videos">For each pair the prompt, and the GIF of either side.</param>
    /// <param name="sides">Whose videos those are.</param>
    /// <param name="seed">Of the draw.</param>
    public static (string Page, Key Key) Make(IReadOnlyList<(string Prompt, byte[] A, byte[] B)> videos, (string A, string B) sides, int seed)
    {
        var random = new Random(seed);
        byte[] all = [.. videos.SelectMany(video => video.A.Concat(video.B)),
            .. Encoding.UTF8.GetBytes(string.Join('\n', videos.Select(video => video.Prompt)))];
        string id = Convert.ToHexStringLower(SHA256.HashData(all))[..12];
        var shown = new List<ShownPair>();
        var pairs = new List<KeyPair>();
        foreach ((int at, (string prompt, byte[] a, byte[] b)) in videos.Index())
        {
            bool swapped = random.Next(2) == 1;
            string name = FormattableString.Invariant($"p{at + 1}");
            shown.Add(new ShownPair(name, prompt, swapped ? [Uri(b), Uri(a)] : [Uri(a), Uri(b)]));
            pairs.Add(new KeyPair(name, swapped ? [sides.B, sides.A] : [sides.A, sides.B]));
        }

        // The default encoder writes "<" as an escape: no prompt can end the element that holds this.
        string data = JsonSerializer.Serialize(new { id, questions = Questions, pairs = shown }, s_json);
        return (Template().Replace(">KIT<", $">{data}<", StringComparison.Ordinal), new Key(id, pairs));

        static string Uri(byte[] gif) => "data:image/gif;base64," + Convert.ToBase64String(gif);
    }

    public static string ToText(Key key) => JsonSerializer.Serialize(key, s_json) + "\n";

    /// <exception cref="UsageException">The file cannot be read, or is not what was expected.</exception>
    public static T Read<T>(string path)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllText(path), s_json) ?? throw new UsageException($"'{path}' holds nothing");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new UsageException($"'{path}' cannot be read: {error.Message}");
        }
    }

    private static string Template()
    {
        using Stream stream = typeof(PreferenceKit).Assembly.GetManifestResourceStream("PreferencePage.html")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>A question, by its name in answers and as it is asked.</summary>
internal sealed record BenchmarkBase(string Id, string Text);

/// <summary>A pair as the page has it: nothing says whose video is whose.</summary>
internal sealed record ShownPair(string Id, string Prompt, string[] Videos);

/// <summary>Whose videos a pair shows, in the page's order.</summary>
internal sealed record KeyPair(string Id, string[] Sides);

/// <summary>What joins answers to methods. It stays with whoever asks.</summary>
internal sealed record Key(string Kit, IReadOnlyList<KeyPair> Pairs);

/// <summary>What the page downloads.</summary>
internal sealed record AnswerFile(string? Kit, IReadOnlyList<Answer>? Answers);

/// <summary>One choice: <paramref name="Chosen"/> is the video's place in the kit, <paramref name="Left"/> the one that was shown on the left.</summary>
internal sealed record Answer(string Pair, string Question, int Chosen, int Left, int Milliseconds);
