namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>Captions of videos, and every word they are made of.</summary>
internal static class Captions
{
    /// <summary>Sentences: {0} color (with style words before it), {1} shape, {2} motion, {3} background.</summary>
    public static IReadOnlyList<string> Templates { get; } =
    [
        "a {0} {1} {2} on a {3} background",
        "a video of a {0} {1} {2} on a {3} background",
        "a {0} {1} is {2} , {3} background",
        "{0} {1} {2} on {3}",
    ];

    private static readonly (string Low, string High)[] s_styles = [("dull", "vivid"), ("cluttered", "clean"), ("small", "large")];

    /// <summary>Every word once.</summary>
    public static IReadOnlyList<string> Words { get; } = [.. Templates.Select(template => string.Format(Invariant, template, "", "", "", ""))
        .Concat(Attributes.Colors).Concat(Attributes.Shapes).Concat(Attributes.Motions).Concat(Attributes.Backgrounds)
        .Concat(s_styles.SelectMany(style => new[] { style.Low, style.High }))
        .SelectMany(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Distinct(StringComparer.Ordinal)];

    private static IFormatProvider Invariant => System.Globalization.CultureInfo.InvariantCulture;

    /// <summary>The plain caption, which says nothing of quality.</summary>
    public static string Of(Subject subject, int template) => Fill(template, Attributes.Colors[subject.Color], subject);

    /// <summary>
    /// The caption that the reward's text-image model learns: qualities below .35 or above .65 have a word; the words are shuffled and the first 0 to 3 kept.
    /// </summary>
    public static string WithStyle(Subject subject, Quality quality, Random random)
    {
        float[] levels = [quality.Vividness, quality.Cleanness, quality.Size];
        string[] words = [.. levels.Select((level, i) => level < 0.35f ? s_styles[i].Low : level > 0.65f ? s_styles[i].High : "")
            .Where(word => word.Length > 0)];
        random.Shuffle(words);
        IEnumerable<string> kept = words.Take(random.Next(4)).Append(Attributes.Colors[subject.Color]);
        return Fill(random.Next(Templates.Count), string.Join(' ', kept), subject);
    }

    private static string Fill(int template, string color, Subject subject) => string.Format(
        Invariant, Templates[template], color, Attributes.Shapes[(int)subject.Shape], Attributes.Motions[(int)subject.Motion],
            Attributes.Backgrounds[subject.Background]);
}
