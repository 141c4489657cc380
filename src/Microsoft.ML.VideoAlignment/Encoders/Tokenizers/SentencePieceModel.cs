using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The kind of a piece of a SentencePiece vocabulary; the numbers are the file's.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>One piece; its id is its index in the file.</summary>
/// <param name="Text">Its spelling.</param>
/// <param name="Score">Its log probability.</param>
/// <param name="Kind">Its kind.</param>
internal readonly record struct SentencePiece(string Text, float Score, PieceKind Kind);

/// <summary>A SentencePiece model file (spiece.model): a protocol buffer, sentencepiece_model.proto.</summary>
/// <remarks>
/// It is read here because Microsoft.ML.Tokenizers 2.0 fails on unigram models without a token for the beginning of a sentence, such as T5's.
/// </remarks>
internal sealed record SentencePieceModel
{
    private const int Unigram = 1;

    public required IReadOnlyList<SentencePiece> Pieces { get; init; }

    /// <summary>The compiled rules of the normalizer; empty where it has none.</summary>
    public ReadOnlyMemory<byte> NormalizerRules { get; init; }

    /// <summary>Whether a blank is put before the text, so that a word is the same piece at its start and inside.</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Whether blanks at both ends are removed and runs of blanks become one.</summary>
    public bool RemoveExtraWhitespaces { get; init; } = true;

    /// <summary>Whether a blank is written as U+2581 in pieces.</summary>
    public bool EscapeWhitespaces { get; init; } = true;

    /// <summary>Whether characters without a piece become the pieces of their bytes, not the unknown piece.</summary>
    public bool HasByteFallback { get; init; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    /// <exception cref="InvalidDataException">The file is not a unigram SentencePiece model.</exception>
    public static SentencePieceModel FromFile(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException(
                $"There is no SentencePiece model at {Path.GetFullPath(path)}. T5's tokenizer is the file {T5TokenizerFolder.FileName} of its folder.", path);
        }

        byte[] bytes = File.ReadAllBytes(path);
        try
        {
            return Read(bytes);
        }
        catch (InvalidDataException exception)
        {
            string? described = FileSignatures.Describe(bytes.AsSpan(0, Math.Min(bytes.Length, FileSignatures.HeadBytes)));
            throw new InvalidDataException($"{path}: {(described is null ? exception.Message : $"not a SentencePiece model: {described}.")}", exception);
        }
    }

    private static SentencePieceModel Read(ReadOnlyMemory<byte> file)
    {
        List<SentencePiece> pieces = [];
        var model = new SentencePieceModel { Pieces = pieces };
        var fields = new ProtoFields(file);
        while (fields.Next())
        {
            switch (fields.Number)
            {
                case 1:
                    pieces.Add(ReadPiece(fields.Bytes));
                    break;
                case 2:
                    model = ReadTrainer(model, fields.Bytes);
                    break;
                case 3:
                    model = ReadNormalizer(model, fields.Bytes);
                    break;
                default:
                    break;
            }
        }

        return pieces.Count > 0 ? model : throw new InvalidDataException("not a SentencePiece model: it has no pieces.");
    }

    private static SentencePiece ReadPiece(ReadOnlyMemory<byte> bytes)
    {
        var piece = new SentencePiece("", 0, PieceKind.Normal);
        var fields = new ProtoFields(bytes);
        while (fields.Next())
        {
            piece = fields.Number switch
            {
                1 => piece with { Text = Encoding.UTF8.GetString(fields.Bytes.Span) },
                2 => piece with { Score = ReadScore(fields.Bytes.Span) },
                3 => piece with { Kind = (PieceKind)fields.Value },
                _ => piece,
            };
        }

        return piece;
    }

    private static float ReadScore(ReadOnlySpan<byte> bytes) =>
        bytes.Length == sizeof(float) && BinaryPrimitives.ReadSingleLittleEndian(bytes) is var score && float.IsFinite(score)
        ? score
        : throw new InvalidDataException("not a SentencePiece model: the score of a piece is not a finite number.");

    private static SentencePieceModel ReadTrainer(SentencePieceModel model, ReadOnlyMemory<byte> bytes)
    {
        const int ModelType = 3, WhitespaceAsSuffix = 24, ByteFallback = 35;
        var fields = new ProtoFields(bytes);
        while (fields.Next())
        {
            if (fields.Number == ModelType && fields.Value != Unigram)
            {
                throw new InvalidDataException($"a SentencePiece model of type {fields.Value}; only unigram models ({Unigram}), such as T5's, are supported.");
            }

            if (fields.Number == WhitespaceAsSuffix && fields.Value != 0)
            {
                throw new InvalidDataException("a SentencePiece model with blanks after words, which T5's does not have and which is not supported.");
            }

            model = fields.Number == ByteFallback ? model with { HasByteFallback = fields.Value != 0 } : model;
        }

        return model;
    }

    private static SentencePieceModel ReadNormalizer(SentencePieceModel model, ReadOnlyMemory<byte> bytes)
    {
        var fields = new ProtoFields(bytes);
        while (fields.Next())
        {
            model = fields.Number switch
            {
                2 => model with { NormalizerRules = fields.Bytes },
                3 => model with { AddDummyPrefix = fields.Value != 0 },
                4 => model with { RemoveExtraWhitespaces = fields.Value != 0 },
                5 => model with { EscapeWhitespaces = fields.Value != 0 },
                _ => model,
            };
        }

        return model;
    }
}
