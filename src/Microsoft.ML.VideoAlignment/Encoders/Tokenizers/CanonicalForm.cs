using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Composes Unicode normalization form C (UAX #15). Tables: CanonicalForms.txt.</summary>
/// <remarks>
/// .NET's own needs ICU: in the globalization-invariant mode that containers use it returns the text unchanged, and a text encoder would see other tokens from
/// one machine to the next.
/// </remarks>
internal static class CanonicalForm
{
    // Below the first combining mark every text is already in form C.
    private const int FirstMark = 0x300;

    // Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TrailCount = 28, HangulCount = LeadCount * VowelCount * TrailCount;

    private static readonly Lazy<Tables> s_tables = new(Read);

    private sealed record Tables(Dictionary<int, int[]> Decompositions, Dictionary<(int First, int Second), int> Compositions, Dictionary<int, int> Classes);

    /// <summary>Returns the text in form C.</summary>
    /// <param name="text">Valid UTF-16.</param>
    public static string Compose(string text)
    {
        if (!text.Any(character => character >= FirstMark))
        {
            return text;
        }

        List<int> points = [];
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, points);
        }

        Reorder(points);
        var result = new StringBuilder(text.Length);
        foreach (int point in Recompose(points))
        {
            result.Append(new Rune(point).ToString());
        }

        return result.ToString();
    }

    private static void Decompose(int point, List<int> into)
    {
        int syllable = point - HangulBase;
        if (syllable is >= 0 and < HangulCount)
        {
            into.Add(LeadBase + (syllable / (VowelCount * TrailCount)));
            into.Add(VowelBase + (syllable % (VowelCount * TrailCount) / TrailCount));
            if (syllable % TrailCount != 0)
            {
                into.Add(TrailBase + (syllable % TrailCount));
            }
        }
        else if (s_tables.Value.Decompositions.TryGetValue(point, out int[]? parts))
        {
            foreach (int part in parts)
            {
                Decompose(part, into);
            }
        }
        else
        {
            into.Add(point);
        }
    }

    // Sorts each run of marks by combining class; marks of the same class keep their order.
    private static void Reorder(List<int> points)
    {
        for (int index = 1; index < points.Count; index++)
        {
            int kind = Class(points[index]);
            for (int at = index; kind != 0 && at > 0 && Class(points[at - 1]) > kind; at--)
            {
                (points[at - 1], points[at]) = (points[at], points[at - 1]);
            }
        }
    }

    private static List<int> Recompose(List<int> points)
    {
        List<int> composed = [];
        int starter = -1;
        int lastClass = 0;
        foreach (int point in points)
        {
            int kind = Class(point);

            // A mark is blocked from the starter by an earlier one of the same or a higher class; another starter must be next to it.
            bool adjacent = starter >= 0 && (composed.Count - 1 == starter || (lastClass != 0 && lastClass < kind));
            if (adjacent && Pair(composed[starter], point) is { } whole)
            {
                composed[starter] = whole;
                continue;
            }

            composed.Add(point);
            lastClass = kind;
            starter = kind == 0 ? composed.Count - 1 : starter;
        }

        return composed;
    }

    private static int? Pair(int first, int second)
    {
        (int lead, int vowel, int trail) = (first - LeadBase, second - VowelBase, second - TrailBase);
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            return HangulBase + (((lead * VowelCount) + vowel) * TrailCount);
        }

        int syllable = first - HangulBase;
        return syllable is >= 0 and < HangulCount && syllable % TrailCount == 0 && trail is > 0 and < TrailCount ? first + trail
            : s_tables.Value.Compositions.TryGetValue((first, second), out int whole) ? whole
            : null;
    }

    private static int Class(int point) => point < FirstMark ? 0 : s_tables.Value.Classes.GetValueOrDefault(point);

    private static Tables Read()
    {
        var tables = new Tables([], [], []);
        using Stream stream = typeof(CanonicalForm).Assembly.GetManifestResourceStream("CanonicalForms.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#')
            {
                continue;
            }

            int[] codes = [.. line.TrimStart('-', '=').Split(' ', '-').Select((code, index) =>
                int.Parse(code, line[0] == '=' && index == 0 ? NumberStyles.None : NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))];
            if (line[0] == '=')
            {
                for (int point = codes[1]; point <= codes[2]; point++)
                {
                    tables.Classes[point] = codes[0];
                }

                continue;
            }

            tables.Decompositions[codes[0]] = codes[1..];
            if (line[0] != '-')
            {
                tables.Compositions[(codes[1], codes[2])] = codes[0];
            }
        }

        return tables;
    }
}
