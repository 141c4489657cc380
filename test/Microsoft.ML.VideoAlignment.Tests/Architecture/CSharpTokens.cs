using System.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Enough of C#'s lexical grammar to tell code from comments and text: line and block comments, character, plain, verbatim and raw strings;
/// the holes of interpolated strings are code.
/// </summary>
internal static class CSharpTokens
{
    /// <summary>Identifiers and keywords as one token each, every other visible character as its own. Comments, text and numbers are left out.</summary>
    public static List<string> Read(string source)
    {
        var tokens = new List<string>();
        string code = Code(source);
        for (int at = 0; at < code.Length;)
        {
            int start = at;
            while (at < code.Length && (char.IsLetterOrDigit(code[at]) || code[at] == '_'))
            {
                at++;
            }

            if (at > start)
            {
                if (!char.IsDigit(code[start]))
                {
                    tokens.Add(code[start..at]);
                }

                continue;
            }

            if (!char.IsWhiteSpace(code[at]))
            {
                tokens.Add(code[at].ToString());
            }

            at++;
        }

        return tokens;
    }

    /// <summary>The source with comments and text blanked.</summary>
    public static string Code(string source)
    {
        var code = new StringBuilder(source.Length);
        int at = 0;
        Scan(source, ref at, code, closing: '\0');
        return code.ToString();
    }

    /// <summary>Copies code until the brace that closes an interpolation hole, or to the end.</summary>
    private static void Scan(string text, ref int at, StringBuilder code, char closing)
    {
        int depth = 0;
        while (at < text.Length)
        {
            char c = text[at];
            string two = at + 1 < text.Length ? text.Substring(at, 2) : "";
            if (two == "//")
            {
                while (at < text.Length && text[at] != '\n')
                {
                    at++;
                }
            }
            else if (two == "/*")
            {
                int end = text.IndexOf("*/", at + 2, StringComparison.Ordinal);
                at = end < 0 ? text.Length : end + 2;
                code.Append(' ');
            }
            else if (c == '\'')
            {
                at += text[at + 1] == '\\' ? 2 : 1;
                at = text.IndexOf('\'', at + 1) + 1;
                code.Append(' ');
            }
            else if (c == '"' || ((c is '$' or '@') && OpensString(text, at)))
            {
                SkipString(text, ref at, code);
            }
            else
            {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
                if (closing != '\0' && depth < 0)
                {
                    return;
                }

                code.Append(c);
                at++;
            }
        }
    }

    private static bool OpensString(string text, int at)
    {
        while (at < text.Length && text[at] is '$' or '@')
        {
            at++;
        }

        return at < text.Length && text[at] == '"';
    }

    private static void SkipString(string text, ref int at, StringBuilder code)
    {
        int dollars = 0;
        bool verbatim = false;
        for (; text[at] is '$' or '@'; at++)
        {
            dollars += text[at] == '$' ? 1 : 0;
            verbatim |= text[at] == '@';
        }

        int quotes = Run(text, at, '"');
        bool raw = quotes >= 3;
        if (!raw && quotes == 2)
        {
            at += 2;
            code.Append(' ');
            return;
        }

        int delimiter = raw ? quotes : 1;
        at += delimiter;
        code.Append(' ');
        while (at < text.Length)
        {
            char c = text[at];
            if (c == '"')
            {
                int run = Run(text, at, '"');
                if (verbatim && !raw && run >= 2)
                {
                    at += 2;
                    continue;
                }

                at += raw && run < delimiter ? run : delimiter;
                if (!raw || run >= delimiter)
                {
                    code.Append(' ');
                    return;
                }
            }
            else if (c == '\\' && !verbatim && !raw)
            {
                at += 2;
            }
            else if (c == '{' && dollars > 0)
            {
                ScanHole(text, ref at, code, dollars, raw);
            }
            else
            {
                at++;
            }
        }
    }

    /// <summary>Copies the code of an interpolation hole, if these braces open one.</summary>
    private static void ScanHole(string text, ref int at, StringBuilder code, int dollars, bool raw)
    {
        int run = Run(text, at, '{');
        at += run;
        if (raw ? run >= dollars : run % 2 == 1)
        {
            code.Append(' ');
            Scan(text, ref at, code, closing: '}');
            at += raw ? dollars : 1;
            code.Append(' ');
        }
    }

    private static int Run(string text, int at, char c)
    {
        int end = at;
        while (end < text.Length && text[end] == c)
        {
            end++;
        }

        return end - at;
    }
}
