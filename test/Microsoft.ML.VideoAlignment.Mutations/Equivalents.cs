namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Faults that change nothing anyone could see, each with the sentence why: equivalents.tsv, by name.</summary>
internal sealed class Equivalents
{
    private readonly Dictionary<string, string> _sentences;

    /// <summary>Reads the list.</summary>
    /// <param name="path">Rows of room, file, member, kind, change and sentence.</param>
    public Equivalents(string path) => _sentences = (File.Exists(path) ? File.ReadLines(path).Skip(1) : [])
        .Select(line => line.Split('\t')).ToDictionary(cells => string.Join('\t', cells[..5]), cells => cells[5], StringComparer.Ordinal);

    /// <summary>The sentence; null: none.</summary>
    /// <param name="name">Of a fault.</param>
    public string? Of(string name) => _sentences.GetValueOrDefault(name);
}
