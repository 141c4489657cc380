using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Any two run cards (run-card.json of the examples) side by side.</summary>
internal static class CompareCards
{
    public const string Name = "compare";

    /// <param name="cards">Two files.</param>
    /// <param name="folder">Where compare.md, .csv and .png go.</param>
    public static void Run(IReadOnlyList<string> cards, string folder)
    {
        if (cards.Count != 2)
        {
            throw new UsageException($"compare needs two run cards, got {cards.Count}");
        }

        (Card a, Card b) = (Read(cards[0]), Read(cards[1]));
        string[] keys = [.. a.Values.Keys.Union(b.Values.Keys)];
        string[] measures = [.. keys.Where(key => a.Measures.ContainsKey(key) || b.Measures.ContainsKey(key))];
        var page = new Page("Two runs side by side", $"A: `{a.Name}`. B: `{b.Name}`.");
        page.Head("Measures").Say($"Unseen prompts of each run: before, after, and the gain with its 95 % interval.");
        page.Table(["", "A before", "A after", "A gain", "B before", "B after", "B gain"],
            measures.Select(key => (IReadOnlyList<string>)[key, .. Cells(a, key), .. Cells(b, key)]));
        page.Image("compare.png", "Gains of the two runs");
        page.Head("Settings").Table(["", "A", "B"], keys.Except(measures)
            .Select(key => (IReadOnlyList<string>)[key, a.Values.GetValueOrDefault(key, "-"), b.Values.GetValueOrDefault(key, "-")]));
        foreach (string key in measures.Where(key => a.Measures.ContainsKey(key) && b.Measures.ContainsKey(key)))
        {
            (Interval ours, Interval theirs) = (a.Measures[key].Gain, b.Measures[key].Gain);
            string verdict = ours.Overlaps(theirs) ? "overlap" : ours.Mean > theirs.Mean ? "are apart, A is ahead" : "are apart, B is ahead";
            page.Say($"{key}: A gained {ours}, B {theirs}; the intervals {verdict}.");
        }

        Directory.CreateDirectory(folder);
        Csv.Write(Path.Combine(folder, "compare.csv"), ["key", "A", "B"],
            keys.Select(key => new object?[] { key, a.Values.GetValueOrDefault(key, ""), b.Values.GetValueOrDefault(key, "") }));
        Series[] bars = [.. new[] { ("A", a), ("B", b) }.Select(card => new Series(card.Item1,
            [.. measures.Index().Where(measure => card.Item2.Measures.ContainsKey(measure.Item))
                .Select(measure => ((double)measure.Index, card.Item2.Measures[measure.Item].Gain))]))];
        Chart.Save(Path.Combine(folder, "compare.png"), Chart.Bars("gain on unseen prompts", "after - before", measures, bars));
        page.Write(Path.Combine(folder, "compare.md"), [],
            "dotnet run -c Release --project benchmarks/Microsoft.ML.VideoAlignment.Paper -- compare A/run-card.json B/run-card.json");
    }

    private static Card Read(string path)
    {
        try
        {
            using JsonDocument card = JsonDocument.Parse(File.ReadAllText(path));
            var measures = new Dictionary<string, (double Before, double After, Interval Gain)>();
            var values = new Dictionary<string, string>();
            foreach (JsonProperty property in card.RootElement.EnumerateObject())
            {
                values[property.Name] = property.Value.ToString();
                if (property.Value.ValueKind == JsonValueKind.Object && property.Value.TryGetProperty("gainHalfWidth95", out JsonElement half))
                {
                    double Number(string name) => property.Value.GetProperty(name).GetDouble();
                    measures[property.Name] = (Number("before"), Number("after"), new Interval(Number("gain"), half.GetDouble()));
                    values[property.Name] = string.Create(CultureInfo.InvariantCulture, $"{Number("before")} -> {Number("after")}");
                }
            }

            return new Card(Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))) ?? path, values, measures);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new UsageException($"'{path}' is no run card: {error.Message}");
        }
    }

    private static string[] Cells(Card card, string key)
    {
        if (!card.Measures.TryGetValue(key, out (double Before, double After, Interval Gain) measure))
        {
            return ["-", "-", "-"];
        }

        string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
        return [Number(measure.Before), Number(measure.After), measure.Gain.ToString(3)];
    }

    private sealed record Card(string Name, Dictionary<string, string> Values, Dictionary<string, (double Before, double After, Interval Gain)> Measures);
}
