using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Cuts a text at its added tokens: first at those that are looked for in the text as it was written, then, in what is left between them and has been
/// normalized, at the others. Of tokens that begin at one place the longest counts. Reference: tokenizers, <c>AddedVocabulary::extract_and_normalize</c>.
/// </summary>
internal sealed class AddedTokenSplitter
{
    private readonly Func<string, string> _normalize;
    private readonly AddedToken[] _written;
    private readonly AddedToken[] _normalized;

    /// <param name="tokens">The tokens; of equal texts the last counts.</param>
    /// <param name="normalize">What is done to the text between tokens, and to the text of tokens that are looked for in it.</param>
    public AddedTokenSplitter(IEnumerable<AddedToken> tokens, Func<string, string> normalize)
    {
        _normalize = normalize;
        AddedToken[] known = [.. tokens.GroupBy(token => token.Text, StringComparer.Ordinal).Select(equal => equal.Last())];
        _written = LongestFirst(known.Where(token => !token.Normalized));
        _normalized = LongestFirst(known.Where(token => token.Normalized).Select(token => token with { Text = normalize(token.Text) }));
    }

    /// <summary>The text in order: normalized pieces, and the ids of added tokens.</summary>
    public IEnumerable<(string Text, int? Id)> Split(string text)
    {
        foreach ((string written, int? id) in At(_written, text))
        {
            if (id is not null)
            {
                yield return ("", id);
                continue;
            }

            foreach ((string, int?) piece in At(_normalized, _normalize(written)))
            {
                yield return piece;
            }
        }
    }

    private static AddedToken[] LongestFirst(IEnumerable<AddedToken> tokens) =>
        [.. tokens.Where(token => token.Text.Length > 0).OrderByDescending(token => token.Text.Length)];

    private static IEnumerable<(string Text, int? Id)> At(AddedToken[] tokens, string text)
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
