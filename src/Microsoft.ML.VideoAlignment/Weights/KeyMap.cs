using System.IO.Enumeration;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Maps names in a file to keys of a module.</summary>
/// <remarks>
/// Patterns contain '*' (any text) and '?' (one character) and are matched against the whole key, after <see cref="Aliases"/> and <see cref="Rename"/>;
/// <see cref="Ignore"/> is matched against the name in the file, without the prefix.
/// </remarks>
internal sealed record KeyMap
{
    /// <summary>The map of a file whose names are the keys.</summary>
    public static KeyMap Identity { get; } = new();

    /// <summary>Pairs of an old and a new spelling: every occurrence of the old text in a name is replaced, such as (".query.", ".to_q.").</summary>
    public IReadOnlyList<(string Old, string New)> Aliases { get; init; } = [];

    /// <summary>Maps a name to a key where a plain replacement does not; it returns null for a tensor that is not wanted.</summary>
    public Func<string, string?>? Rename { get; init; }

    /// <summary>Names that some files have and no module needs, such as "*.position_ids".</summary>
    public IReadOnlyList<string> Ignore { get; init; } = [];

    /// <summary>Keys of the module that a file may lack: the module keeps its values.</summary>
    public IReadOnlyList<string> Optional { get; init; } = [];

    /// <summary>Keys whose shape may differ from the file's by axes of size 1, such as a 1x1 convolution [C, C, 1, 1] for a linear layer [C, C].</summary>
    public IReadOnlyList<string> Reshape { get; init; } = [];

    // The start of the keys of the part that is filled, which are without it.
    private string Start { get; init; } = "";

    /// <summary>Returns the module's key for a name in the file; null for a tensor that is not wanted.</summary>
    /// <param name="name">The name in the file, without the prefix.</param>
    public string? MapName(string name)
    {
        if (Matches(Ignore, name))
        {
            return null;
        }

        string key = Aliases.Aggregate(name, (text, alias) => text.Replace(alias.Old, alias.New, StringComparison.Ordinal));
        string? renamed = Rename is null ? key : Rename(key);
        return renamed is not null && renamed.StartsWith(Start, StringComparison.Ordinal) ? renamed[Start.Length..] : null;
    }

    /// <summary>Makes the map of one part of the module, whose keys are those of the whole that start with a text, without it.</summary>
    /// <param name="start">The start of the part's keys, such as "encoder.block.3.".</param>
    public KeyMap Within(string start) => this with { Start = Start + start };

    public bool IsOptional(string key) => Matches(Optional, Start + key);

    /// <summary>Whether a tensor of the file may fill a parameter, by their shapes.</summary>
    /// <param name="key">The parameter's key.</param>
    /// <param name="from">The shape in the file.</param>
    /// <param name="to">The parameter's shape.</param>
    public bool Fits(string key, IReadOnlyList<long> from, IReadOnlyList<long> to) =>
        from.SequenceEqual(to) || (Matches(Reshape, Start + key) && from.Where(size => size != 1).SequenceEqual(to.Where(size => size != 1)));

    private static bool Matches(IReadOnlyList<string> patterns, string name) =>
        patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
