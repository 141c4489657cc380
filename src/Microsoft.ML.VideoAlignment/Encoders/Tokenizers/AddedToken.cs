namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// A token that is recognized whole anywhere in a text, as in transformers (AddedToken): a learned style, or a mark such as the end of the text.
/// </summary>
/// <param name="Text">Its spelling.</param>
/// <param name="Id">Its row in the embedding.</param>
internal sealed record AddedToken(string Text, int Id)
{
    /// <summary>
    /// Whether it is searched for in the normalized text (in any case, where letter case is folded); else in the text as written, before all others.
    /// </summary>
    public bool Normalized { get; init; } = true;

    /// <summary>Whether it absorbs the blanks before it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether it absorbs the blanks after it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it is recognized only where no letter, number or underscore touches it.</summary>
    public bool SingleWord { get; init; }
}
