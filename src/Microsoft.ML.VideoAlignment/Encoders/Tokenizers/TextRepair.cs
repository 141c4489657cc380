using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Repairs a text like ftfy.fix_text with its defaults (ftfy 6.3), which OpenCLIP's tokenizer runs first. Differences: see <see cref="Mojibake"/>.
/// </summary>
/// <remarks>
/// It handles references, wrong encodings, ligatures, widths, quotes, line ends, control characters and form C, line by line, each until nothing changes.
/// </remarks>
internal static partial class TextRepair
{
    private static readonly Dictionary<char, string> s_letters = Letters();

    public static string Fix(string text)
    {
        var whole = new StringBuilder(text.Length);
        bool references = true;
        foreach (string line in Lines(text))
        {
            // Text with tags is HTML itself, and so is what follows: its references are intended.
            references &= !line.Contains('<', StringComparison.Ordinal);
            string fixedLine = line;
            string before;
            do
            {
                before = fixedLine;
                fixedLine = Pass(before, references);
            }
            while (fixedLine != before);

            whole.Append(fixedLine);
        }

        return whole.ToString();
    }

    private static IEnumerable<string> Lines(string text)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            int line = text.IndexOf('\n', start);
            end = line < 0 ? text.Length : line + 1;
            yield return text[start..end];
        }
    }

    private static string Pass(string line, bool references)
    {
        string text = Mojibake.Repair(references ? HtmlEntities.DecodeComplete(line) : line);
        var mapped = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            // Half of a surrogate pair is read as U+FFFD.
            if (!rune.IsBmp)
            {
                mapped.Append(rune.ToString());
                continue;
            }

            char letter = rune.Value is >= 0x80 and <= 0x9F ? Mojibake.FromWindows1252((byte)rune.Value) : (char)rune.Value;
            if (s_letters.TryGetValue(letter, out string? replacement))
            {
                mapped.Append(replacement);
            }
            else
            {
                mapped.Append(letter);
            }
        }

        mapped.Replace("\r\n", "\n").Replace('\r', '\n');
        string visible = TerminalEscape().Replace(mapped.ToString(), "");
        return CanonicalForm.Compose(string.Concat(visible.Where(letter => !IsControl(letter))));
    }

    private static bool IsControl(char letter) =>
        letter is <= '\u0008' or '\u000B' or >= '\u000E' and <= '\u001F' or '\u007F' or >= '\u206A' and <= '\u206F' or '\uFEFF' or >= '\uFFF9' and <= '\uFFFC';

    // Latin ligatures, full and half width forms, curly quotes, line and paragraph separators.
    private static Dictionary<char, string> Letters()
    {
        const string Katakana = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテト"
            + "ナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\u3099\u309A";
        int[] hangul = [0x1160, 0x1100, 0x1101, 0x11AA, 0x1102, 0x11AC, 0x11AD, 0x1103, 0x1104, 0x1105, 0x11B0, 0x11B1, 0x11B2, 0x11B3, 0x11B4, 0x11B5, 0x111A,
            0x1106, 0x1107, 0x1108, 0x1121, 0x1109, 0x110A, 0x110B, 0x110C, 0x110D, 0x110E, 0x110F, 0x1110, 0x1111, 0x1112];
        // A letter, and its replacement.
        string[] pairs =
        [
            "\u0132IJ", "\u0133ij", "\u0149\u02BCn", "\u01F1DZ", "\u01F2Dz", "\u01F3dz", "\u01C4D\u017D", "\u01C5D\u017E", "\u01C6d\u017E", "\u01C7LJ",
            "\u01C8Lj", "\u01C9lj", "\u01CANJ", "\u01CBNj", "\u01CCnj", "\uFB00ff", "\uFB01fi", "\uFB02fl", "\uFB03ffi", "\uFB04ffl", "\uFB05\u017Ft",
            "\uFB06st", "\u3000 ", "\uFF5F\u2985", "\uFF60\u2986", "\uFFE0\u00A2", "\uFFE1\u00A3", "\uFFE2\u00AC", "\uFFE3 \u0304", "\uFFE4\u00A6",
            "\uFFE5\u00A5", "\uFFE6\u20A9", "\uFFE8\u2502", "\uFFE9\u2190", "\uFFEA\u2191", "\uFFEB\u2192", "\uFFEC\u2193", "\uFFED\u25A0",
            "\uFFEE\u25CB", "\u02BC'", "\u2028\n", "\u2029\n",
        ];
        var letters = pairs.ToDictionary(pair => pair[0], pair => pair[1..]);
        Fill('\uFF01', Enumerable.Range('!', '~' - '!' + 1));
        Fill('\uFF61', Katakana.Select(letter => (int)letter));
        Fill('\uFFA0', hangul);
        Fill('\uFFC2', Enumerable.Range(0x1161, 6));
        Fill('\uFFCA', Enumerable.Range(0x1167, 6));
        Fill('\uFFD2', Enumerable.Range(0x116D, 6));
        Fill('\uFFDA', Enumerable.Range(0x1173, 3));
        Fill('\u2018', Enumerable.Repeat((int)'\'', 4));
        Fill('\u201C', Enumerable.Repeat((int)'"', 4));
        return letters;

        void Fill(char first, IEnumerable<int> codes)
        {
            foreach ((int code, int i) in codes.Select((code, i) => (code, i)))
            {
                letters[(char)(first + i)] = ((char)code).ToString();
            }
        }
    }

    [GeneratedRegex("\u001B\\[[0-9;]*[a-zA-Z]", RegexOptions.CultureInvariant)]
    private static partial Regex TerminalEscape();
}
