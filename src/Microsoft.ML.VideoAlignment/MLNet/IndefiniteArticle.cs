using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Chooses "a" or "an" for an English noun by its sound, which its first letters mostly tell.</summary>
internal static partial class IndefiniteArticle
{
    /// <summary>Puts the article before a noun; one that it already has is corrected.</summary>
    /// <param name="noun">A noun, with or without an article.</param>
    public static string AddTo(string noun)
    {
        string bare = Article().Replace(noun.Trim(), "");
        return $"{(TakesAn(bare) ? "an" : "a")} {bare}";
    }

    private static bool TakesAn(string noun)
    {
        string word = FirstWord().Match(noun).Value;

        // Letters that are spelled out: an MRI, an 8, a UFO, an X-ray.
        if (word.Length == 1 || Capitals().IsMatch(word))
        {
            return "AEFHILMNORSXaefhilmnorsx8".Contains(word[0], StringComparison.Ordinal);
        }

        return Number().IsMatch(word) || SilentH().IsMatch(word) || (Vowel().IsMatch(word) && !SpokenAsConsonant().IsMatch(word));
    }

    [GeneratedRegex(@"^an?\s+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Article();

    [GeneratedRegex(@"^[\p{L}\p{N}]+")]
    private static partial Regex FirstWord();

    [GeneratedRegex(@"^(?![AEIOU])\p{Lu}(?:\p{Lu}+)$|^(?:[AEIOU]\p{Lu}{1,2})$")]
    private static partial Regex Capitals();

    [GeneratedRegex(@"^(?:8\d*|11|18|11\d{3}|18\d{3})(?!\d)")]
    private static partial Regex Number();

    [GeneratedRegex("^(?:hour|heir|honest|honou?r)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SilentH();

    [GeneratedRegex("^[aeiou]", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Vowel();

    // A unicorn, a European, a one-eyed cat, a ukulele; but an unimportant one and an uninvited one.
    [GeneratedRegex(
        "^(?:uni(?!n|m|dent)|eu|ewe|one(?![a-z])|once|ubiq|uk|ura|urin|us[aeiu]|ut[aei]|uto)",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SpokenAsConsonant();
}
