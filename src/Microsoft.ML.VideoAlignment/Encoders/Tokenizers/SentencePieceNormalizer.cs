using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Normalizes a text as SentencePiece does before it looks for pieces: T5's rules, nmt_nfkc, fold compatibility forms and controls.</summary>
/// <remarks>
/// The rules in the file are a table "longest match -> replacement" over UTF-8: a double-array trie (Aoe 1989; the layout is darts-clone's), followed by the
/// replacements.
/// </remarks>
internal sealed class SentencePieceNormalizer
{
    private const char Blank = '\u2581';

    private readonly uint[] _trie = [];
    private readonly ReadOnlyMemory<byte> _replacements;
    private readonly SentencePieceModel _model;

    /// <summary>Reads the rules of a model.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="InvalidDataException">The rules are unsound.</exception>
    public SentencePieceNormalizer(SentencePieceModel model)
    {
        _model = model;
        ReadOnlySpan<byte> rules = model.NormalizerRules.Span;
        if (rules.IsEmpty)
        {
            return;
        }

        uint bytes = rules.Length > 4 ? BinaryPrimitives.ReadUInt32LittleEndian(rules) : 0;
        if (bytes == 0 || bytes % 4 != 0 || bytes > rules.Length - 4)
        {
            throw new InvalidDataException($"SentencePiece model: the normalizer's table should have {bytes} bytes, but there are {rules.Length}.");
        }

        _trie = new uint[bytes / 4];
        for (int unit = 0; unit < _trie.Length; unit++)
        {
            _trie[unit] = BinaryPrimitives.ReadUInt32LittleEndian(rules[(4 + (4 * unit))..]);
        }

        _replacements = model.NormalizerRules[(int)(4 + bytes)..];
    }

    /// <summary>
    /// Returns the text as pieces are spelled: replaced, blanks as U+2581, one before the first word. Half of a surrogate pair becomes U+FFFD.
    /// </summary>
    /// <param name="text">The text as written.</param>
    public string Normalize(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        var normal = new StringBuilder(text.Length + 1);
        bool afterBlank = _model.RemoveExtraWhitespaces;
        bool started = false;
        for (int at = 0; at < utf8.Length;)
        {
            (string piece, int length) = Replace(utf8, at);
            at += length;
            if (afterBlank)
            {
                piece = piece.TrimStart(' ');
            }

            // Nothing is put before a text of blanks alone.
            if (!started && (piece.Length > 0 || !_model.RemoveExtraWhitespaces))
            {
                normal.Append(_model.AddDummyPrefix ? " " : "");
                started = true;
            }

            if (piece.Length > 0)
            {
                normal.Append(piece);
                afterBlank = _model.RemoveExtraWhitespaces && piece[^1] == ' ';
            }
        }

        string result = normal.ToString();
        result = _model.RemoveExtraWhitespaces ? result.TrimEnd(' ') : result;
        return _model.EscapeWhitespaces ? result.Replace(' ', Blank) : result;
    }

    // The replacement of the text from here on, and the number of bytes replaced: of the longest match in the table, else of one character, unchanged.
    private (string Text, int Length) Replace(byte[] utf8, int at)
    {
        (int offset, int length) = LongestMatch(utf8, at);
        if (length > 0)
        {
            ReadOnlySpan<byte> rest = _replacements.Span[Math.Min(offset, _replacements.Length)..];
            int end = rest.IndexOf((byte)0);
            return (Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]), length);
        }

        Rune.DecodeFromUtf8(utf8.AsSpan(at), out Rune rune, out int size);
        return (rune.ToString(), size);
    }

    private (int Value, int Length) LongestMatch(byte[] utf8, int start)
    {
        static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1u << 9)) >> 6);
        static uint Label(uint unit) => unit & (0x80000000u | 0xFF);
        static bool HasLeaf(uint unit) => ((unit >> 8) & 1) == 1;

        (int Value, int Length) best = (0, 0);
        uint node = _trie.Length == 0 ? uint.MaxValue : Offset(_trie[0]);
        for (int at = start; at < utf8.Length; at++)
        {
            node ^= utf8[at];
            if (node >= (uint)_trie.Length || Label(_trie[node]) != utf8[at])
            {
                break;
            }

            uint unit = _trie[node];
            node ^= Offset(unit);
            if (HasLeaf(unit) && node < (uint)_trie.Length)
            {
                best = ((int)(_trie[node] & 0x7FFFFFFF), at + 1 - start);
            }
        }

        return best;
    }
}
