using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Extracts the text of a caption that may be HTML: references decoded, without tags, comments, declarations and the content of scripts, styles, templates and
/// ruby notes.
/// </summary>
/// <remarks>
/// Faults are treated as Beautiful Soup 4 on Python's html.parser (3.11) treats them, because those cleaned the captions that the model was trained on: a lone
/// '&lt;' stays, an unknown reference loses its semicolon, a tag without an end is text.
/// </remarks>
internal sealed partial class CaptionMarkup
{
    private const string Blank = @"[\s\x1c-\x1f]";
    private const string NoBlank = @"[^\s\x1c-\x1f/>";
    private const string TagName = @"[a-zA-Z][^\t\n\r\f />\0]*";
    private const string Gap = $@"(?:{Blank}|/(?!>))*";
    private const string AttributeName = $@"(?<=['""/\s\x1c-\x1f]){NoBlank}]{NoBlank}=]*";
    private const string AttributeValue = $@"{Blank}*=+{Blank}*(?:'[^']*'|""[^""]*""|(?!['""])[^>\s\x1c-\x1f]*)";

    private static readonly HashSet<string> s_hidden = ["script", "style", "template", "rt", "rp"];

    private static readonly HashSet<string> s_void =
    [
        "area", "base", "basefont", "bgsound", "br", "col", "command", "embed", "frame", "hr", "image", "img", "input", "isindex", "keygen", "link", "menuitem",
        "meta", "nextid", "param", "source", "spacer", "track", "wbr",
    ];

    private readonly string _markup;
    private readonly StringBuilder _text = new();
    private readonly List<string> _open = [];

    // The element whose content is not markup (script, style), while it is open.
    private string? _raw;
    private int _at;

    private CaptionMarkup(string markup) => _markup = markup;

    public static string ExtractText(string markup)
    {
        if (markup.AsSpan().IndexOfAny('<', '&') < 0)
        {
            return markup;
        }

        // First as if more followed, then to the end: after a fault the reference starts again in the second pass, and only once.
        var reader = new CaptionMarkup(markup);
        reader.Advance(atEnd: false);
        reader.Advance(atEnd: true);
        return reader._text.ToString();
    }

    private void Advance(bool atEnd)
    {
        bool continues = true;
        while (continues && _at < _markup.Length)
        {
            int next = _raw is null ? _markup.AsSpan(_at).IndexOfAny('<', '&') : EndOfRaw();
            if (next < 0 && _raw is not null)
            {
                break;
            }

            Write(next < 0 ? _markup.Length : _at + next);
            if (_at < _markup.Length)
            {
                continues = _markup[_at] == '<' ? ReadTag(atEnd) : ReadReference(atEnd);
            }
        }

        if (atEnd && _raw is null)
        {
            Write(_markup.Length);
        }
    }

    private int EndOfRaw()
    {
        Match end = RawEnd().Matches(_markup, _at)
            .FirstOrDefault(match => match.Groups[1].Value.Equals(_raw, StringComparison.OrdinalIgnoreCase)) ?? Match.Empty;
        return end.Success ? end.Index - _at : -1;
    }

    private bool ReadTag(bool atEnd)
    {
        char second = _at + 1 < _markup.Length ? _markup[_at + 1] : '\0';
        int end = char.IsAsciiLetter(second) ? StartTag()
            : second == '/' ? EndTag()
            : Begins("<!--") ? EndAfter(CommentEnd(), _at + 4)
            : second == '?' ? EndAfter('>', _at + 2)
            : Begins("<![") ? MarkedSection()
            : Begins("<!doctype") ? EndAfter('>', _at + 9)
            : second == '!' ? EndAfter('>', _at + 2)
            : 0;
        if (end == 0)
        {
            if (_at + 1 >= _markup.Length)
            {
                return false;
            }

            Write(_at + 1);
            return true;
        }

        if (end > 0)
        {
            _at = end;
            return true;
        }

        if (!atEnd)
        {
            return false;
        }

        int close = _markup.IndexOf('>', _at + 1);
        int open = _markup.IndexOf('<', _at + 1);
        Write(close >= 0 ? close + 1 : open >= 0 ? open : _at + 1);
        return true;
    }

    private bool ReadReference(bool atEnd)
    {
        Match number = NumberReference().Match(_markup, _at);
        Match name = NameReference().Match(_markup, _at);
        if (number.Success || name.Success)
        {
            Match reference = number.Success ? number : name;
            Write(number.Success ? Character(number.Groups[1].Value) : HtmlEntities.FindByName(name.Groups[1].Value) ?? $"&{name.Groups[1].Value}");
            _at = reference.Index + reference.Length;
            _at += _at < _markup.Length && _markup[_at] == ';' ? 1 : 0;
            return true;
        }

        char second = _at + 1 < _markup.Length ? _markup[_at + 1] : '\0';
        if (second == '#')
        {
            if (_markup.IndexOf(';', _at) >= 0)
            {
                Write(_at + 2);
            }

            return false;
        }

        if (char.IsAsciiLetter(second))
        {
            // An ampersand and one letter at the very end: the reference loses the ampersand.
            _at += atEnd && _at + 2 == _markup.Length ? 1 : 0;
            return false;
        }

        if (second == '\0' && _at + 1 >= _markup.Length)
        {
            return false;
        }

        Write(_at + 1);
        return true;
    }

    // The end of the tag that starts here; -1 where it has none.
    private int StartTag()
    {
        Match tag = WholeStartTag().Match(_markup, _at);
        int stop = tag.Index + tag.Length;
        char next = stop < _markup.Length ? _markup[stop] : '\0';
        if (stop >= _markup.Length || char.IsAsciiLetter(next) || next == '=' || (next == '/' && !(stop + 1 < _markup.Length && _markup[stop + 1] == '>')))
        {
            return -1;
        }

        int end = next == '>' ? stop + 1 : next == '/' ? stop + 2 : stop;
        Match parts = StartTagParts().Match(_markup, _at);
        string rest = _markup[Math.Min(parts.Index + parts.Length, end)..end].Trim();
        if (rest is not (">" or "/>"))
        {
            Write(end);
            return end;
        }

        string name = parts.Groups[1].Value.ToLowerInvariant();
        if (rest == ">" && !s_void.Contains(name))
        {
            _open.Add(name);
            _raw = name is "script" or "style" ? name : _raw;
        }

        return end;
    }

    private int EndTag()
    {
        int end = EndAfter('>', _at + 1);
        if (end < 0)
        {
            return -1;
        }

        Match tag = WholeEndTag().Match(_markup, _at);
        if (!tag.Success && _raw is null)
        {
            Match name = EndTagName().Match(_markup, _at + 2);
            if (!name.Success)
            {
                // The reference reads it as a comment.
                return end;
            }

            Close(name.Groups[1].Value);
            return EndAfter('>', name.Index + name.Length);
        }

        if (_raw is not null && !tag.Groups[1].Value.Equals(_raw, StringComparison.OrdinalIgnoreCase))
        {
            Write(end);
            return end;
        }

        Close(tag.Groups[1].Value);
        _raw = null;
        return end;
    }

    // "<![CDATA[...]]>", whose content is text, and the sections of office programs.
    private int MarkedSection()
    {
        Match name = SectionName().Match(_markup, _at + 3);
        if (!name.Success || name.Index + name.Length == _markup.Length)
        {
            return -1;
        }

        Regex? closing = name.Groups[1].Value.ToLowerInvariant() switch
        {
            "temp" or "cdata" or "ignore" or "include" or "rcdata" => SectionEnd(),
            "if" or "else" or "endif" => OfficeSectionEnd(),
            _ => null,
        };
        Match end = closing?.Match(_markup, _at + 3) ?? Match.Empty;
        if (!end.Success)
        {
            return -1;
        }

        const string Data = "<![cdata[";
        if (Begins(Data))
        {
            Write(_markup[Math.Min(_at + Data.Length, end.Index)..end.Index]);
        }

        return end.Index + end.Length;
    }

    private void Close(string tag)
    {
        int at = _open.LastIndexOf(tag.ToLowerInvariant());
        if (at >= 0)
        {
            _open.RemoveRange(at, _open.Count - at);
        }
    }

    private bool Begins(string with) => string.Compare(_markup, _at, with, 0, with.Length, StringComparison.OrdinalIgnoreCase) == 0;

    private int EndAfter(char mark, int from)
    {
        int at = from > _markup.Length ? -1 : _markup.IndexOf(mark, from);
        return at < 0 ? -1 : at + 1;
    }

    private int EndAfter(Regex mark, int from)
    {
        Match match = from > _markup.Length ? Match.Empty : mark.Match(_markup, from);
        return match.Success ? match.Index + match.Length : -1;
    }

    private void Write(int end)
    {
        Write(_markup[_at..end]);
        _at = end;
    }

    private void Write(string text) => _text.Append(_open.Exists(s_hidden.Contains) ? "" : text);

    // Numbers below 256 are Windows-1252, as in old pages.
    private static string Character(string digits)
    {
        bool hexadecimal = digits[0] is 'x' or 'X';
        bool small = hexadecimal
            ? long.TryParse(digits.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long code)
            : long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out code);
        return small && code is >= 0 and < 256 ? Mojibake.FromWindows1252((byte)code).ToString()
            : small && Rune.IsValid((int)Math.Clamp(code, -1, int.MaxValue)) ? new Rune((int)code).ToString()
            : "\uFFFD";
    }

    [GeneratedRegex(@"\G&#([0-9]+|[xX][0-9a-fA-F]+)(?=[^0-9a-fA-F])")]
    private static partial Regex NumberReference();

    [GeneratedRegex(@"\G&([a-zA-Z][-.a-zA-Z0-9]*)(?=[^a-zA-Z0-9])")]
    private static partial Regex NameReference();

    [GeneratedRegex($@"\G<{TagName}(?:[\s\x1c-\x1f/]*(?:{AttributeName}(?:{AttributeValue}{Blank}*)?{Gap})*)?{Blank}*")]
    private static partial Regex WholeStartTag();

    [GeneratedRegex($@"\G<({TagName})(?>{Gap})(?>(?>{AttributeName}(?:{AttributeValue})?{Gap})*)")]
    private static partial Regex StartTagParts();

    [GeneratedRegex($@"\G</{Blank}*([a-zA-Z][-.a-zA-Z0-9:_]*){Blank}*>")]
    private static partial Regex WholeEndTag();

    [GeneratedRegex($@"\G({TagName}){Gap}")]
    private static partial Regex EndTagName();

    [GeneratedRegex($@"</{Blank}*(script|style){Blank}*>", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex RawEnd();

    [GeneratedRegex($@"--{Blank}*>")]
    private static partial Regex CommentEnd();

    [GeneratedRegex($@"\G([a-zA-Z][-_.a-zA-Z0-9]*){Blank}*")]
    private static partial Regex SectionName();

    [GeneratedRegex($@"\]{Blank}*\]{Blank}*>")]
    private static partial Regex SectionEnd();

    [GeneratedRegex($@"\]{Blank}*>")]
    private static partial Regex OfficeSectionEnd();
}
