using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Cleans captions as Open-Sora 1.2 does (and PixArt and DeepFloyd IF before it). Reference: Open-Sora, <c>clean_caption</c>.</summary>
/// <remarks>
/// It removes whatever captions collected from the web contain and prompts should not. The model was trained on such texts, so prompts must be cleaned the same
/// way, twice.
/// </remarks>
internal static class CaptionCleaner
{
    private const string Word = CaptionText.Word;
    private const string Blank = CaptionText.Blank;
    private const string Border = CaptionText.Border;
    private const string Endings = "(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)";

    // With more joints than this, they are read as blanks: this-is-my-cute-cat.
    private const int MostJoints = 3;

    private static readonly (Regex Pattern, string Replacement)[] s_addresses = [Rule(Address("https?"), ""), Rule(Address("www"), "")];

    private static readonly (Regex Pattern, string Replacement)[] s_signs =
    [
        Rule($"@{Word}+{Border}", ""),

        // CJK strokes, phonetic extensions, enclosed letters, compatibility, ideographs A, hexagrams, ideographs.
        Rule(@"[\u31C0-\u9FFF]+", ""),
        Rule(@"[\u002D\u058A\u05BE\u1400\u1806\u2010-\u2015\u2E17\u2E1A\u2E3A\u2E3B\u2E40\u301C\u3030\u30A0\uFE31\uFE32\uFE58\uFE63\uFF0D]+", "-"),
        Rule("[`\u00B4\u00AB\u00BB\u201C\u201D\u00A8]", "\""),
        Rule("[\u2018\u2019]", "'"),
        Rule("&quot;?", ""),
        Rule("&amp", ""),
        Rule(@"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", " "),
        Rule($@"\d:\d\d{Blank}+$", ""),
        Rule(@"\\n", " "),
        Rule($@"#\d{{1,3}}{Border}", ""),
        Rule($@"#\d{{5,}}{Border}", ""),
        Rule($@"{Border}\d{{6,}}{Border}", ""),
        Rule($@"{CaptionText.NoBlank}+\.{Endings}", ""),
        Rule("[\"']{2,}", "\""),
        Rule(@"\.{2,}", " "),
        Rule("[#\u00AE\u2022\u00A9\u2122&@\u00B7\u00BA\u00BD\u00BE\u00BF\u00A1\u00A7~()\\[\\]{}|\\\\/*]+", " "),
        Rule($@"{Blank}+\.{Blank}+", " "),
    ];

    private static readonly Regex s_joint = new("[-_]", RegexOptions.CultureInvariant);

    private static readonly (Regex Pattern, string Replacement)[] s_words =
    [
        Rule($@"{Border}[a-zA-Z]{{1,3}}\d{{3,15}}{Border}", ""),
        Rule($@"{Border}[a-zA-Z]+\d+[a-zA-Z]+{Border}", ""),
        Rule($@"{Border}\d+[a-zA-Z]+\d+{Border}", ""),
        Rule($"(?:worldwide{Blank}+)?(?:free{Blank}+)?shipping", ""),
        Rule($"(?:free{Blank})?download(?:{Blank}free)?", ""),
        Rule($"{Border}click{Border}{Blank}(?:for|on){Blank}{Word}+", ""),
        Rule($"{Border}{Endings}(?:{Blank}images?)?", ""),
        Rule($@"{Border}page{Blank}+\d+{Border}", ""),
        Rule($@"{Border}\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*{Border}", " "),

        // The second x is Cyrillic.
        Rule($@"{Border}\d+\.?\d*[x\u0445\u00D7]\d+\.?\d*{Border}", ""),
        Rule($"{Border}{Blank}+:{Blank}+", ": "),
        Rule($@"(\D[,./]){Border}", "$1 "),
        Rule($"{Blank}+", " "),
        Rule("^[\"']([\\s\\S]+)[\"']$", "$1"),
        Rule("^['_,\\-:;]", ""),
        Rule("['_,\\-:+]$", ""),
        Rule($@"^\.{CaptionText.NoBlank}+$", ""),
    ];

    /// <summary>Runs one pass of the cleaning. A second one may find more, and the model expects two.</summary>
    /// <param name="caption">The caption.</param>
    public static string Clean(string caption)
    {
        string text = LowerCase.Convert(CaptionText.Strip(CaptionText.DecodeUrl(caption))).Replace("<person>", "person", StringComparison.Ordinal);
        text = CaptionMarkup.ExtractText(CaptionText.Apply(text, s_addresses));
        text = CaptionText.Apply(text, s_signs);
        text = s_joint.Count(text) > MostJoints ? s_joint.Replace(text, " ") : text;
        text = CaptionText.Strip(HtmlEntities.Decode(HtmlEntities.Decode(TextRepair.Fix(text))));
        return CaptionText.Strip(CaptionText.Apply(text, s_words));
    }

    // A scheme with what follows its colon, or a host of a common domain with its path.
    private static string Address(string scheme) =>
        $@"{Border}(?:{scheme}:(?:/{{1,3}}|[a-zA-Z0-9%])|[a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)(?:{Word}|[/-])*{Border}/?(?!@))";

    private static (Regex Pattern, string Replacement) Rule(string pattern, string replacement) =>
        (new Regex(pattern, RegexOptions.CultureInvariant), replacement);
}
