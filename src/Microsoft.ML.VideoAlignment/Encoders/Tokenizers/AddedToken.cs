namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// A token that is recognized whole wherever it stands in a text, as transformers has it (AddedToken): a style that was taught, a mark such as the end of the
/// text.
/// </summary>
/// <param name="Text">How it is written.</param>
/// <param name="Id">Its row in the embedding.</param>
internal sealed record AddedToken(string Text, int Id)
{
    /// <summary>
    /// Whether it is looked for in the normalized text (where letter case is folded, in any case); else in the text as it was written, before all else.
    /// </summary>
    public bool Normalized { get; init; } = true;

    /// <summary>Whether it takes the blanks before it with it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether it takes the blanks behind it with it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it counts only where no letter, number or underscore touches it.</summary>
    public bool SingleWord { get; init; }
}
