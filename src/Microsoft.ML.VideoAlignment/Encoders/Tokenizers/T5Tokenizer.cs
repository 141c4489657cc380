using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>T5's tokenizer: SentencePiece unigram pieces and the end token, cut and padded. The ids are those of transformers' T5Tokenizer.</summary>
internal sealed class T5Tokenizer
{
    private const string FileName = "spiece.model";
    private const int UsualLength = 512;

    private readonly SentencePieceNormalizer _normalizer;
    private readonly UnigramSegmenter _segmenter;

    /// <param name="model">The vocabulary.</param>
    /// <param name="maxLength">Tokens in a row, end token included.</param>
    /// <exception cref="InvalidDataException">The model lacks the end or the padding token.</exception>
    public T5Tokenizer(SentencePieceModel model, int maxLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        int Id(string token) => model.Pieces.Select((piece, id) => (piece.Text, id)).Where(pair => pair.Text == token).Select(pair => (int?)pair.id).FirstOrDefault()
            ?? throw new InvalidDataException($"T5 tokenizer: the SentencePiece model has no token '{token}' among its {model.Pieces.Count} pieces.");
        (PadId, EndId) = (Id("<pad>"), Id("</s>"));
        _normalizer = new SentencePieceNormalizer(model);
        _segmenter = new UnigramSegmenter(model.Pieces);
        MaxLength = maxLength;
    }

    /// <summary>Tokens in a row, end token included.</summary>
    public int MaxLength { get; }

    public int PadId { get; }

    public int EndId { get; }

    /// <summary>Reads spiece.model of a tokenizer folder.</summary>
    /// <param name="folder">A T5 folder.</param>
    /// <param name="maxLength">Tokens in a row; null: model_max_length of tokenizer_config.json, or 512 where that is missing.</param>
    public static T5Tokenizer FromFolder(string folder, int? maxLength = null) =>
        new(SentencePieceModel.FromFile(Path.Combine(folder, FileName)), maxLength ?? ConfiguredLength(Path.Combine(folder, "tokenizer_config.json")));

    /// <summary>
    /// Tokens, end, padding. A text that is too long is cut so that the end token stays last; <see cref="TokenBatch.CutTokens"/> tells the caller, who should warn.
    /// </summary>
    /// <param name="texts">One row each.</param>
    /// <param name="maxLength">Null: <see cref="MaxLength"/>.</param>
    /// <param name="padToLongest">True: L is the longest row's length instead of the maximum.</param>
    public TokenBatch Encode(IReadOnlyList<string> texts, int? maxLength = null, bool padToLongest = false)
    {
        int most = maxLength ?? MaxLength;
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(maxLength));
        IReadOnlyList<int>[] rows = [.. texts.Select(Tokens)];
        int length = padToLongest ? Math.Min(most, rows.Select(row => row.Count + 1).DefaultIfEmpty(1).Max()) : most;
        long[,] ids = new long[rows.Length, length];
        long[,] mask = new long[rows.Length, length];
        int[] cut = new int[rows.Length];
        for (int row = 0; row < rows.Length; row++)
        {
            int kept = Math.Min(rows[row].Count, length - 1);
            cut[row] = rows[row].Count - kept;
            for (int position = 0; position < length; position++)
            {
                ids[row, position] = position < kept ? rows[row][position] : position == kept ? EndId : PadId;
                mask[row, position] = position <= kept ? 1 : 0;
            }
        }

        return new TokenBatch(tensor(ids), tensor(mask), cut);
    }

    /// <summary>The ids of the text alone, uncut, without the end token.</summary>
    public IReadOnlyList<int> Tokens(string text) => _segmenter.Segment(_normalizer.Normalize(text));

    private static int ConfiguredLength(string path)
    {
        if (!File.Exists(path))
        {
            return UsualLength;
        }

        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));

        // "No limit" is written as 1e30.
        double length = ConfigJson.Number(json.RootElement, "model_max_length", UsualLength);
        return length is >= 1 and <= int.MaxValue ? (int)length : UsualLength;
    }
}
