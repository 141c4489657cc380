using System.IO.Enumeration;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// How names in a file become keys of a module. Patterns know '*' (any text) and '?' (one character) and are matched against the whole key, after
/// <see cref="Aliases"/> and <see cref="Rename"/> except for <see cref="Ignore"/>, which sees the name as the file has it (without the prefix).
/// </summary>
internal sealed record KeyMap
{
    /// <summary>Names are keys.</summary>
    public static KeyMap Identity { get; } = new();

    /// <summary>Old spelling, new spelling: wherever the old text occurs in a name it is replaced, such as (".query.", ".to_q.").</summary>
    public IReadOnlyList<(string Old, string New)> Aliases { get; init; } = [];

    /// <summary>From name to key, for what is no plain replacement; null: the tensor is not wanted.</summary>
    public Func<string, string?>? Rename { get; init; }

    /// <summary>Names that some files have and no module needs, such as "*.position_ids".</summary>
    public IReadOnlyList<string> Ignore { get; init; } = [];

    /// <summary>Keys of the module that a file may lack: the module keeps what it has.</summary>
    public IReadOnlyList<string> Optional { get; init; } = [];

    /// <summary>Keys whose shape may differ from the file's by axes of size 1, such as a 1x1 convolution [C, C, 1, 1] for a linear layer [C, C].</summary>
    public IReadOnlyList<string> Reshape { get; init; } = [];

    /// <summary>The module's key for a name of the file, or null where the tensor is not wanted.</summary>
    public string? Key(string name)
    {
        if (Matches(Ignore, name))
        {
            return null;
        }

        string key = Aliases.Aggregate(name, (text, alias) => text.Replace(alias.Old, alias.New, StringComparison.Ordinal));
        return Rename is null ? key : Rename(key);
    }

    public bool IsOptional(string key) => Matches(Optional, key);

    /// <summary>Whether a tensor of shape <paramref name="from"/> may fill the parameter <paramref name="key"/> of shape <paramref name="to"/>.</summary>
    public bool Fits(string key, IReadOnlyList<long> from, IReadOnlyList<long> to) =>
        from.SequenceEqual(to) || (Matches(Reshape, key) && from.Where(size => size != 1).SequenceEqual(to.Where(size => size != 1)));

    private static bool Matches(IReadOnlyList<string> patterns, string name) =>
        patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
