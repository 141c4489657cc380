using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// The class names of a transformers classifier or detector: id2label and label2id of its config.json. A name that several ids have (COCO's "N/A") means the
/// one that label2id gives, else the last.
/// </summary>
/// <remarks>Names are compared as they are written, upper and lower case included.</remarks>
internal sealed class LabelTable
{
    private const int Suggestions = 5;
    private const int MaxLabels = 100_000;

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    private LabelTable(int count) => Count = count;

    /// <summary>One of the names.</summary>
    public string AnyLabel => _ids.Keys.First();

    /// <summary>How many classes the network has.</summary>
    public int Count { get; }

    /// <summary>Reads the names. A configuration without them has num_labels (2 by default), LABEL_0 and on, as the reference makes them.</summary>
    /// <param name="config">The model's config.json.</param>
    /// <exception cref="InvalidDataException">The tables are not names and whole numbers, or an id is beyond the classes.</exception>
    public static LabelTable FromJson(JsonElement config)
    {
        (string Label, int Id)[] named =
        [
            .. Pairs(config, "id2label").Select(pair => (Text(pair), Number(pair.Name, "id2label"))),
            .. Pairs(config, "label2id").Select(pair => (pair.Name, Number(pair.Value.GetRawText(), "label2id"))),
        ];
        int count = Pairs(config, "id2label").Count() is var rows and > 0 ? rows : named.Length;
        if (count == 0)
        {
            count = checked((int)ConfigJson.Integer(config, "num_labels", 2, maximum: MaxLabels));
            named = [.. Enumerable.Range(0, count).Select(id => ($"LABEL_{id}", id))];
        }

        var table = new LabelTable(count);
        foreach ((string label, int id) in named)
        {
            table._ids[label] = id >= 0 && id < count
                ? id
                : throw new InvalidDataException($"config: label '{label}' has the id {id}, but there are {count} classes. Is the configuration whole?");
        }

        return table;
    }

    /// <summary>Finds the id of a name.</summary>
    /// <param name="label">The name, as the model writes it.</param>
    /// <returns>The id; null: the model has no such name.</returns>
    public int? Find(string label) => _ids.TryGetValue(label, out int id) ? id : null;

    /// <summary>Finds the id of a name that must be there.</summary>
    /// <param name="label">The name, as the model writes it.</param>
    /// <param name="parameterName">The caller's argument, for the error.</param>
    /// <exception cref="ArgumentException">The model has no such name; the message lists those like it.</exception>
    public int Require(string label, string parameterName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(label, parameterName);
        string shown = Quotation.Shorten(label);
        return Find(label) ?? throw new ArgumentException($"The model has no label '{shown}'. {DescribeNearest(shown)}", parameterName);
    }

    /// <summary>A sentence with the names most like a text, for an error.</summary>
    /// <param name="text">What was asked for.</param>
    public string DescribeNearest(string text) =>
        $"Of its {Count} labels these are the nearest: {string.Join(", ", FindNearest(text).Select(label => $"'{label}'"))}.";

    /// <summary>
    /// The names most like a text, nearest first: the edits that turn one into some part of the other, for each letter of the shorter need. So a slip of
    /// the pen, a part of a name and a sentence that holds a name are all near.
    /// </summary>
    /// <param name="text">What was asked for.</param>
    /// <returns>At most five names.</returns>
    public IReadOnlyList<string> FindNearest(string text) =>
    [
        .. _ids.Keys.Select(label => (Label: label, Distance: Math.Min(Distance(label, text), Distance(text, label))))
            .OrderBy(pair => pair.Distance).ThenBy(pair => Math.Abs(pair.Label.Length - text.Length)).ThenBy(pair => pair.Label, StringComparer.Ordinal)
            .Take(Suggestions).Select(pair => pair.Label),
    ];

    // Fewest single-letter edits from the pattern to any part of the text (Sellers 1980), over the pattern's length; case does not count.
    private static double Distance(string pattern, string text)
    {
        if (pattern.Length == 0)
        {
            return 1;
        }

        (pattern, text) = (pattern.ToUpperInvariant(), text.ToUpperInvariant());
        int[] row = new int[text.Length + 1]; // nothing of the pattern matches anywhere for free
        for (int i = 1; i <= pattern.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= text.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (pattern[i - 1] == text[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return (double)row.Min() / pattern.Length;
    }

    private static JsonElement.ObjectEnumerator Pairs(JsonElement config, string key) => ConfigJson.Find(config, key) switch
    {
        null => default,
        { ValueKind: JsonValueKind.Object } table => table.EnumerateObject(),
        { } other => throw new InvalidDataException($"config: {key}: expected names and numbers, got {other.GetRawText()}."),
    };

    private static string Text(JsonProperty pair) => pair.Value.ValueKind == JsonValueKind.String
        ? pair.Value.GetString()!
        : throw new InvalidDataException($"config: id2label: expected a name for {pair.Name}, got {pair.Value.GetRawText()}.");

    private static int Number(string text, string key) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int id)
        ? id
        : throw new InvalidDataException($"config: {key}: expected a whole number, got {text}.");
}
