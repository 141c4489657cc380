using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>CLIP's byte-level BPE with start and end tokens, cut and padded to one length; the ids are those of transformers' (fast) CLIPTokenizer.</summary>
/// <remarks>
/// Microsoft.ML.Tokenizers' <see cref="BpeTokenizer"/> does the merging; special tokens, the empty text, cutting and padding differ there and are done here.
/// </remarks>
internal sealed class ClipTokenizer
{
    private readonly BpeTokenizer _bpe;
    private readonly AddedTokenSplitter _added;
    private readonly (string Text, int Id)[] _pieceTokens;
    private readonly bool _openClip;
    private readonly int _start;
    private readonly int _end;

    /// <summary>Creates a tokenizer.</summary>
    /// <param name="vocabulary">Tokens and merges.</param>
    /// <param name="options">Special tokens and length.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length has no room for start and end.</exception>
    /// <exception cref="InvalidDataException">The vocabulary contradicts itself, or lacks a special token.</exception>
    public ClipTokenizer(BpeVocabulary vocabulary, ClipTokenizerOptions options)
    {
        if (options.MaxLength < 2)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.MaxLength, "MaxLength must hold at least the start and the end token, that is 2.");
        }

        _bpe = Merging(vocabulary, options);
        int Id(string token, string role) => options.Find(token, vocabulary) ?? throw new InvalidDataException(
            $"CLIP tokenizer: the {role} token '{token}' is not among the {vocabulary.Ids.Count} entries of the vocabulary.");
        _openClip = options.Library == ClipTokenizerLibrary.OpenClip;
        (_start, _end) = (Id(options.StartToken, "start"), Id(options.EndToken, "end"));
        PadId = _openClip ? 0 : Id(options.PadToken, "padding");
        HighestId = Math.Max(Math.Max(_start, _end), vocabulary.Ids.Values.Max());
        MaxLength = options.MaxLength;

        // OpenCLIP searches for its start and end where a piece begins; for other added tokens, and for all of transformers' tokens, anywhere.
        _pieceTokens = _openClip ? [(options.StartToken, _start), (options.EndToken, _end)] : [];
        AddedToken[] roles = _openClip ? [] : [new(options.StartToken, _start), new(options.EndToken, _end), new(options.PadToken, PadId)];
        _added = new AddedTokenSplitter(
            [
                .. roles.Where(role => options.AddedTokens.All(token => token.Text != role.Text)),
                .. options.AddedTokens.Where(token => _pieceTokens.All(piece => piece.Text != token.Text)),
            ],
            _openClip ? OpenClipText.Normalize : ClipText.Normalize);
    }

    /// <summary>The number of tokens in a row, start and end included.</summary>
    public int MaxLength { get; }

    public int PadId { get; }

    public int HighestId { get; }

    /// <summary>Reads the tokenizer folder of a model, see <see cref="ClipTokenizerFolder"/>.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="FileNotFoundException">The folder has no vocabulary.</exception>
    /// <exception cref="InvalidDataException">A file in it holds values of the wrong kind.</exception>
    public static ClipTokenizer FromFolder(string folder) => ClipTokenizerFolder.Read(folder);

    /// <summary>
    /// Encodes texts as start, tokens, end, padding. A longer text is cut so that the end token stays last; <see cref="TokenBatch.CutTokens"/> tells the
    /// caller, who should warn.
    /// </summary>
    /// <param name="texts">The texts, one a row.</param>
    /// <param name="maxLength">The most tokens in a row, at least 2; null: <see cref="MaxLength"/>.</param>
    /// <param name="padToLongest">Whether L is the longest row's length instead of the maximum.</param>
    public TokenBatch Encode(IReadOnlyList<string> texts, int? maxLength = null, bool padToLongest = false)
    {
        int most = maxLength ?? MaxLength;
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 2, nameof(maxLength));
        IReadOnlyList<int>[] rows = [.. texts.Select(ToIds)];
        int length = padToLongest ? Math.Min(most, rows.Select(row => row.Count + 2).DefaultIfEmpty(2).Max()) : most;
        long[,] ids = new long[rows.Length, length];
        long[,] mask = new long[rows.Length, length];
        int[] cut = new int[rows.Length];
        for (int row = 0; row < rows.Length; row++)
        {
            int kept = Math.Min(rows[row].Count, length - 2);
            cut[row] = rows[row].Count - kept;
            int[] whole = [_start, .. rows[row].Take(kept), _end];
            for (int position = 0; position < length; position++)
            {
                ids[row, position] = position < whole.Length ? whole[position] : PadId;
                mask[row, position] = position < whole.Length ? 1 : 0;
            }
        }

        return new TokenBatch(tensor(ids), tensor(mask), cut);
    }

    /// <summary>Returns the ids of the text alone, uncut, without start and end.</summary>
    /// <param name="text">The text as written.</param>
    public IReadOnlyList<int> ToIds(string text)
    {
        List<int> ids = [];
        foreach ((string piece, int? added) in _added.Split(text))
        {
            if (added is { } id)
            {
                ids.Add(id);
            }
            else
            {
                Merge(piece, ids);
            }
        }

        return ids;
    }

    // Adds the ids of normalized text between added tokens.
    private void Merge(string text, List<int> ids)
    {
        foreach (Range piece in ClipText.Split(text, [.. _pieceTokens.Select(token => token.Text)]))
        {
            (string special, int id) = _pieceTokens.FirstOrDefault(token => text.AsSpan(piece).SequenceEqual(token.Text));
            if (special is null)
            {
                ids.AddRange(_bpe.EncodeToIds(text.AsSpan(piece), considerPreTokenization: false, considerNormalization: false));
            }
            else
            {
                ids.Add(id);
            }
        }
    }

    private static BpeTokenizer Merging(BpeVocabulary vocabulary, ClipTokenizerOptions options)
    {
        try
        {
            return BpeTokenizer.Create(new BpeOptions(vocabulary.Ids)
            {
                Merges = vocabulary.Merges,
                ByteLevel = true,
                EndOfWordSuffix = "</w>",
                UnknownToken = vocabulary.Ids.ContainsKey(options.UnknownToken) ? options.UnknownToken : null,
            });
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            throw new InvalidDataException($"CLIP tokenizer: the vocabulary and its merges contradict each other: {exception.Message}", exception);
        }
    }
}
