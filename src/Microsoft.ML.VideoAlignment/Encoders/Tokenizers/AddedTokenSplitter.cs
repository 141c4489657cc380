using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Splits a text at its added tokens; of tokens that begin at the same position the longest wins. Reference: tokenizers,
/// <c>AddedVocabulary::extract_and_normalize</c>.
/// </summary>
/// <remarks>Tokens that are searched for in the text as written come first, then, in the normalized text between them, the others.</remarks>
internal sealed class AddedTokenSplitter
{
    private readonly Func<string, string> _normalize;
    private readonly AddedToken[] _written;
    private readonly AddedToken[] _normalized;

    /// <summary>Creates a splitter.</summary>
    /// <param name="tokens">The tokens; of equal texts the last one is used.</param>
    /// <param name="normalize">Normalizes the text between tokens, and the spelling of tokens that are searched for in it.</param>
    public AddedTokenSplitter(IEnumerable<AddedToken> tokens, Func<string, string> normalize)
    {
        _normalize = normalize;
        AddedToken[] known = [.. tokens.GroupBy(token => token.Text, StringComparer.Ordinal).Select(equal => equal.Last())];
        _written = LongestFirst(known.Where(token => !token.Normalized));
        _normalized = LongestFirst(known.Where(token => token.Normalized).Select(token => token with { Text = normalize(token.Text) }));
    }

    /// <summary>Splits a text, in order, into normalized pieces and the ids of added tokens.</summary>
    /// <param name="text">The text as written.</param>
    /// <returns>Either a piece and null, or "" and an id.</returns>
    public IEnumerable<(string Text, int? Id)> Split(string text)
    {
        foreach ((string written, int? id) in SplitAt(_written, text))
        {
            if (id is not null)
            {
                yield return ("", id);
                continue;
            }

            foreach ((string, int?) piece in SplitAt(_normalized, _normalize(written)))
            {
                yield return piece;
            }
        }
    }

    private static AddedToken[] LongestFirst(IEnumerable<AddedToken> tokens) =>
        [.. tokens.Where(token => token.Text.Length > 0).OrderByDescending(token => token.Text.Length)];

    private static IEnumerable<(string Text, int? Id)> SplitAt(AddedToken[] tokens, string text)
    {
        int plain = 0;
        for (int at = 0; tokens.Length > 0 && at < text.Length;)
        {
            AddedToken? token = Array.Find(tokens, candidate => string.CompareOrdinal(text, at, candidate.Text, 0, candidate.Text.Length) == 0);
            if (token is null)
            {
                at++;
                continue;
            }

            int end = at + token.Text.Length;
            if (!token.SingleWord || (!EndsInWord(text.AsSpan(0, at)) && !BeginsWithWord(text.AsSpan(end))))
            {
                int stop = token.LeftStrip ? Math.Max(plain, text.AsSpan(0, at).TrimEnd().Length) : at;
                end = token.RightStrip ? text.Length - text.AsSpan(end).TrimStart().Length : end;
                yield return (text[plain..stop], null);
                yield return ("", token.Id);
                plain = end;
            }

            at = end;
        }

        yield return (text[plain..], null);
    }

    private static bool EndsInWord(ReadOnlySpan<char> before) =>
        Rune.DecodeLastFromUtf16(before, out Rune last, out _) == System.Buffers.OperationStatus.Done && IsWord(last);

    private static bool BeginsWithWord(ReadOnlySpan<char> after) =>
        Rune.DecodeFromUtf16(after, out Rune first, out _) == System.Buffers.OperationStatus.Done && IsWord(first);

    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value == '_';
}
