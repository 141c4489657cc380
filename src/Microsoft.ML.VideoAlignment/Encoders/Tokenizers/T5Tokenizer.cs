using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// The tokenizer of T5 and UMT5: SentencePiece unigram pieces and the end token, cut and padded. The ids are those of transformers' T5Tokenizer, but that
/// unknown characters have the ids that the model gives them, as in SentencePiece; transformers 5 writes 2 whatever the model says.
/// </summary>
internal sealed class T5Tokenizer
{
    private const int UsualLength = 512;
    private const int UsualExtraIds = 100;

    private readonly SentencePieceNormalizer _normalizer;
    private readonly UnigramSegmenter _segmenter;
    private readonly AddedTokenSplitter _added;

    /// <summary>Creates a tokenizer.</summary>
    /// <param name="model">The vocabulary.</param>
    /// <param name="maxLength">The number of tokens in a row, end token included.</param>
    /// <param name="added">Tokens that are recognized whole anywhere in a text; null: none.</param>
    /// <exception cref="InvalidDataException">The model lacks the end or the padding token.</exception>
    public T5Tokenizer(SentencePieceModel model, int maxLength, IReadOnlyList<AddedToken>? added = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        int Id(string token) =>
            model.Pieces.Select((piece, id) => (piece.Text, id)).Where(pair => pair.Text == token).Select(pair => (int?)pair.id).FirstOrDefault()
            ?? throw new InvalidDataException($"T5 tokenizer: the SentencePiece model has no token '{token}' among its {model.Pieces.Count} pieces.");
        (PadId, EndId) = (Id("<pad>"), Id("</s>"));
        _normalizer = new SentencePieceNormalizer(model);
        _segmenter = new UnigramSegmenter(model);
        MaxLength = maxLength;
        _added = new AddedTokenSplitter(added ?? [], _normalizer.Normalize);
    }

    /// <summary>The number of tokens in a row, end token included.</summary>
    public int MaxLength { get; }

    public int PadId { get; }

    public int EndId { get; }

    /// <summary>Reads spiece.model of a tokenizer folder.</summary>
    /// <param name="folder">A T5 folder.</param>
    /// <param name="maxLength">The number of tokens in a row; null: model_max_length of tokenizer_config.json, or 512 where that is missing.</param>
    /// <exception cref="FileNotFoundException">The folder has no spiece.model.</exception>
    public static T5Tokenizer FromFolder(string folder, int? maxLength = null)
    {
        var model = SentencePieceModel.FromFile(T5TokenizerFolder.Require(folder));
        JsonElement config = AddedTokenFiles.ReadJson(folder, "tokenizer_config.json");
        return new T5Tokenizer(model, maxLength ?? ConfiguredLength(config), Added(model, folder, config));
    }

    /// <summary>
    /// Encodes texts as tokens, end, padding. A longer text is cut so that the end token stays last; <see cref="TokenBatch.CutTokens"/> tells the caller, who
    /// should warn.
    /// </summary>
    /// <param name="texts">The texts, one a row.</param>
    /// <param name="maxLength">The most tokens in a row, at least 1; null: <see cref="MaxLength"/>.</param>
    /// <param name="padToLongest">Whether L is the longest row's length instead of the maximum.</param>
    public TokenBatch Encode(IReadOnlyList<string> texts, int? maxLength = null, bool padToLongest = false)
    {
        int most = maxLength ?? MaxLength;
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(maxLength));
        IReadOnlyList<int>[] rows = [.. texts.Select(ToIds)];
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

    /// <summary>Returns the ids of the text alone, uncut, without the end token.</summary>
    /// <param name="text">The text as written.</param>
    public IReadOnlyList<int> ToIds(string text) =>
        [.. _added.Split(text).SelectMany(piece => piece.Id is { } id ? [id] : _segmenter.Segment(piece.Text))];

    // The model's own marks, the extra ids that follow its pieces ("<extra_id_0>" is the last of them), and the tokens of the folder's files. Reference:
    // transformers' T5Tokenizer, which searches for all of them in the text as written.
    private static AddedToken[] Added(SentencePieceModel model, string folder, JsonElement config)
    {
        IEnumerable<AddedToken> marks = model.Pieces.Index().Where(piece => piece.Item.Kind is PieceKind.Control or PieceKind.Unknown)
            .Select(piece => new AddedToken(piece.Item.Text, piece.Index));
        long named = config.ValueKind == JsonValueKind.Object ? ConfigJson.Integer(config, "extra_ids", UsualExtraIds, minimum: 0) : UsualExtraIds;
        int count = (int)Math.Clamp(named, 0, model.Pieces.Count);
        IEnumerable<AddedToken> extra = Enumerable.Range(0, count).Select(index =>
            new AddedToken(FormattableString.Invariant($"<extra_id_{index}>"), model.Pieces.Count + count - 1 - index) { LeftStrip = true, RightStrip = true });
        IReadOnlyList<AddedToken> written = AddedTokenFiles.Read(
            AddedTokenFiles.ReadJson(folder, "added_tokens.json"), AddedTokenFiles.ReadJson(folder, "tokenizer.json"), config, folder);
        return [.. marks.Concat(extra).Concat(written).Select(token => token with { Normalized = false })];
    }

    private static int ConfiguredLength(JsonElement config)
    {
        if (config.ValueKind != JsonValueKind.Object)
        {
            return UsualLength;
        }

        // "No limit" is written as 1e30.
        double length = ConfigJson.Number(config, "model_max_length", UsualLength, double.MaxValue);
        return length is >= 1 and <= ClipTokenizerFolder.LargestLength ? (int)length : UsualLength;
    }
}
