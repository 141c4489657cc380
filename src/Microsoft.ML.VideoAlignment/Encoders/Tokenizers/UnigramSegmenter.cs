using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// Finds the most probable way to cut a text into pieces of a unigram vocabulary (Kudo 2018, arXiv 1804.10959): Viterbi over the sum of the pieces' scores.
/// </summary>
/// <remarks>Characters without a piece are unknown; neighboring ones form one unknown piece, or each becomes the pieces of its bytes in UTF-8.</remarks>
internal sealed class UnigramSegmenter
{
    // An unknown character scores this much less than the worst piece.
    private const float UnknownPenalty = 10;

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly double[] _scores;
    private readonly float _unknownScore;
    private readonly int _unknown;
    private readonly int _longest;
    private readonly int[]? _bytes;

    /// <summary>Creates a segmenter.</summary>
    /// <param name="model">The vocabulary, in the order of the ids.</param>
    /// <exception cref="InvalidDataException">There is no unknown piece, or a piece occurs twice, or one of a byte is missing that may be needed.</exception>
    public UnigramSegmenter(SentencePieceModel model)
    {
        IReadOnlyList<SentencePiece> pieces = model.Pieces;
        _bytes = model.HasByteFallback ? FindBytes(pieces) : null;
        float[] normal = [.. pieces.Where(piece => piece.Kind == PieceKind.Normal).Select(piece => piece.Score)];
        (float least, float most) = normal.Length == 0 ? (0, 0) : (normal.Min(), normal.Max());
        _unknownScore = least - UnknownPenalty;
        _unknown = pieces.Select((piece, id) => (piece, id)).Where(pair => pair.piece.Kind == PieceKind.Unknown).Select(pair => (int?)pair.id).FirstOrDefault()
            ?? throw new InvalidDataException("SentencePiece model: it has no piece for unknown characters.");
        _scores = new double[pieces.Count];
        for (int id = 0; id < pieces.Count; id++)
        {
            SentencePiece piece = pieces[id];

            // A user-defined piece beats any pieces that it could be made of.
            _scores[id] = piece.Kind == PieceKind.UserDefined ? ((double)Encoding.UTF8.GetByteCount(piece.Text) * most) - 0.1 : piece.Score;
            if (piece.Kind is PieceKind.Normal or PieceKind.UserDefined && piece.Text.Length > 0)
            {
                _longest = Math.Max(_longest, piece.Text.Length);
                if (!_ids.TryAdd(piece.Text, id))
                {
                    throw new InvalidDataException($"SentencePiece model: the piece '{piece.Text}' occurs twice ({_ids[piece.Text]} and {id}).");
                }
            }
        }

        _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Returns the ids of the pieces of a text, in order.</summary>
    /// <param name="text">The normalized text.</param>
    public IReadOnlyList<int> Segment(string text)
    {
        // best[i]: the best way to reach position i.
        var best = new (float Score, int Start, int Id)[text.Length + 1];
        Array.Fill(best, (0, -1, -1), 1, text.Length);
        for (int start = 0; start < text.Length;)
        {
            int character = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            bool known = false;
            for (int length = 1; length <= _longest && start + length <= text.Length; length++)
            {
                if (_lookup.TryGetValue(text.AsSpan(start, length), out int id))
                {
                    known |= length == character;
                    Offer(start, length, _scores[id], id);
                }
            }

            if (!known)
            {
                Offer(start, character, _unknownScore, _unknown);
            }

            start += character;
        }

        return Collect(text, best);

        // Sums are kept in float32, as the reference keeps them: ties are decided by its rounding, and then by which came first.
        void Offer(int start, int length, double score, int id)
        {
            double candidate = id == _unknown ? _unknownScore + best[start].Score : score + best[start].Score;
            ref (float Score, int Start, int Id) target = ref best[start + length];
            if (target.Start < 0 || candidate > target.Score)
            {
                target = ((float)candidate, start, id);
            }
        }
    }

    private static int[] FindBytes(IReadOnlyList<SentencePiece> pieces)
    {
        Dictionary<string, int> ids = [];
        foreach ((int id, SentencePiece piece) in pieces.Index().Where(static entry => entry.Item.Kind == PieceKind.Byte))
        {
            ids.TryAdd(piece.Text, id);
        }

        return
        [
            .. Enumerable.Range(0, 256).Select(static value => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"))
                .Select(text => ids.TryGetValue(text, out int id) ? id
                    : throw new InvalidDataException($"SentencePiece model: unknown characters become bytes, but there is no piece {text}.")),
        ];
    }

    private List<int> Collect(string text, (float Score, int Start, int Id)[] best)
    {
        List<int> ids = [];
        for (int end = best.Length - 1; end > 0; end = best[end].Start)
        {
            if (best[end].Id == _unknown && _bytes is not null)
            {
                ids.AddRange(Encoding.UTF8.GetBytes(text[best[end].Start..end]).Reverse().Select(value => _bytes[value]));
            }
            else if (best[end].Id != _unknown || ids.Count == 0 || ids[^1] != _unknown)
            {
                ids.Add(best[end].Id);
            }
        }

        ids.Reverse();
        return ids;
    }
}
