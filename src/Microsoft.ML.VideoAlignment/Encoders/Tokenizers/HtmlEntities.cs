using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Decodes HTML character references in a text. Table: HtmlEntities.txt.</summary>
/// <remarks>.NET's decoder knows only the names of HTML 4, and only with their semicolon.</remarks>
internal static class HtmlEntities
{
    /// <summary>The longest name that a reference can have; anything longer is text.</summary>
    private const int LongestName = 32;

    private static readonly Lazy<Dictionary<string, string>> s_names = new(Read);
    private static readonly Lazy<Dictionary<string, string>> s_lenientNames = new(Lenient);

    /// <summary>Decodes as browsers read a text (Python's html.unescape); whatever is not a reference stays.</summary>
    /// <remarks>Numbers may lack their semicolon, and 128 to 159 are read as Windows-1252; some names need no semicolon, and the longest name wins.</remarks>
    /// <param name="text">The text.</param>
    public static string Decode(string text) => Replace(text, Reference);

    /// <summary>Returns the text of a name; null where the name is unknown.</summary>
    /// <param name="name">The name without ampersand and semicolon.</param>
    public static string? FindByName(string name) => s_names.Value.GetValueOrDefault($"{name};");

    /// <summary>
    /// Decodes as ftfy does: only references that end in a semicolon, but a lower-case name is known in capitals too (&amp;EACUTE; is a capital letter).
    /// </summary>
    /// <param name="text">The text.</param>
    public static string DecodeComplete(string text) => Replace(text, (text, at) =>
    {
        int end = at + 1 < text.Length && text[at + 1] == '#' ? at + 2 : at + 1;
        int start = end;
        while (end < text.Length && char.IsAsciiLetterOrDigit(text[end]) && end - start < 24)
        {
            end++;
        }

        if (end == start || end >= text.Length || text[end] != ';')
        {
            return null;
        }

        if (text[at + 1] == '#')
        {
            return Reference(text, at) is { } number && number.Length == end + 1 - at ? number : null;
        }

        return s_lenientNames.Value.TryGetValue(text[(at + 1)..(end + 1)], out string? value) ? (value, end + 1 - at) : null;
    });

    private static string Replace(string text, Func<string, int, (string Value, int Length)?> reference)
    {
        if (!text.Contains('&', StringComparison.Ordinal))
        {
            return text;
        }

        var decoded = new StringBuilder(text.Length);
        for (int at = 0; at < text.Length;)
        {
            if (text[at] == '&' && reference(text, at) is { } found)
            {
                decoded.Append(found.Value);
                at += found.Length;
            }
            else
            {
                decoded.Append(text[at++]);
            }
        }

        return decoded.ToString();
    }

    private static (string Value, int Length)? Reference(string text, int at)
    {
        int end = at + 1;
        if (end < text.Length && text[end] == '#')
        {
            bool hexadecimal = end + 1 < text.Length && text[end + 1] is 'x' or 'X';
            int digits = end + (hexadecimal ? 2 : 1);
            int stop = digits;
            while (stop < text.Length && (hexadecimal ? char.IsAsciiHexDigit(text[stop]) : char.IsAsciiDigit(text[stop])))
            {
                stop++;
            }

            return stop == digits ? null : (Character(text[digits..stop], hexadecimal), (stop < text.Length && text[stop] == ';' ? stop + 1 : stop) - at);
        }

        while (end < text.Length && end - at - 1 < LongestName && text[end] is not ('\t' or '\n' or '\f' or ' ' or '<' or '&' or '#' or ';'))
        {
            end++;
        }

        if (end < text.Length && text[end] == ';')
        {
            end++;
        }

        for (; end > at + 2; end--)
        {
            if (s_names.Value.TryGetValue(text[(at + 1)..end], out string? value))
            {
                return (value, end - at);
            }
        }

        return null;
    }

    private static string Character(string digits, bool hexadecimal)
    {
        const int Beyond = 0x110000;
        long code = 0;
        foreach (char digit in digits)
        {
            code = Math.Min(Beyond, (code * (hexadecimal ? 16 : 10)) + Convert.ToInt32(digit.ToString(), 16));
        }

        return code switch
        {
            0 or >= 0xD800 and <= 0xDFFF or > 0x10FFFF => "\uFFFD",
            >= 0x80 and <= 0x9F => Mojibake.FromWindows1252((byte)code).ToString(),
            0x9 or 0xA or 0xC or 0xD => ((char)code).ToString(),
            < 0x20 or 0x7F or >= 0xFDD0 and <= 0xFDEF => "",
            _ when (code & 0xFFFE) == 0xFFFE => "",
            _ => char.ConvertFromUtf32((int)code),
        };
    }

    private static Dictionary<string, string> Lenient()
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string value) in s_names.Value.Where(pair => pair.Key[^1] == ';'))
        {
            names[name] = value;
        }

        static bool HasNoCapitals(string name) => name.All(letter => !char.IsAsciiLetterUpper(letter));
        foreach ((string name, string value) in s_names.Value.Where(pair => pair.Key[^1] == ';' && HasNoCapitals(pair.Key)))
        {
            string capitals = name.ToUpperInvariant();
            if (Decode($"&{capitals}") == $"&{capitals}")
            {
                names[capitals] = value.ToUpperInvariant();
            }
        }

        return names;
    }

    private static Dictionary<string, string> Read()
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        using Stream stream = typeof(HtmlEntities).Assembly.GetManifestResourceStream("HtmlEntities.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] != '#')
            {
                string[] parts = line.Split(' ');
                string Character(string code) =>
                    char.ConvertFromUtf32(int.Parse(code, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                names[parts[0]] = string.Concat(parts.Skip(1).Select(Character));
            }
        }

        return names;
    }
}
