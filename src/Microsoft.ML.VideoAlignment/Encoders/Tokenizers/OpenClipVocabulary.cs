using System.IO.Compression;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Reads the vocabulary of OpenCLIP's SimpleTokenizer, which its model files do not carry.</summary>
/// <remarks>It is OpenAI's bpe_simple_vocab_16e6.txt.gz, or any CLIP tokenizer folder of transformers made from that.</remarks>
internal static class OpenClipVocabulary
{
    public const string StartToken = "<start_of_text>";
    public const string EndToken = "<end_of_text>";

    // The number of merges in use; the file continues after them.
    private const int Merges = 48894;

    /// <summary>Reads the merges file (gzip or plain) or a tokenizer folder.</summary>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="FileNotFoundException">Neither exists.</exception>
    public static ClipTokenizer ReadTokenizer(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (Directory.Exists(path))
        {
            (BpeVocabulary vocabulary, ClipTokenizerOptions options) = ClipTokenizerFolder.Open(path);
            int Id(string token) => options.Find(token, vocabulary) ?? throw new InvalidDataException($"The tokenizer in {path} has no token '{token}'.");
            string[] roles = [options.StartToken, options.EndToken, options.PadToken];
            return Make(
                vocabulary, Id(options.StartToken), Id(options.EndToken), options.UnknownToken, options.MaxLength,
                options.AddedTokens.Where(token => !roles.Contains(token.Text) && !vocabulary.Ids.ContainsKey(token.Text)));
        }

        if (!File.Exists(path))
        {
            throw new FileNotFoundException(
                $"No tokenizer at {Path.GetFullPath(path)}. OpenCLIP's model files carry no vocabulary: pass its bpe_simple_vocab_16e6.txt.gz, "
                + "or the folder of a CLIP tokenizer with vocab.json and merges.txt (such as openai/clip-vit-large-patch14's).", path);
        }

        BpeVocabulary merges = Read(path);
        return Make(merges, merges.Ids[StartToken], merges.Ids[EndToken], EndToken, new ClipTokenizerOptions().MaxLength, []);
    }

    /// <summary>Reads the merges file. Ids are, in order, the 256 bytes as letters, the same at the end of a word, one token a merge, start, end.</summary>
    /// <param name="path">The file, gzip or plain; its first line is a version.</param>
    /// <exception cref="InvalidDataException">A line is not a merge, or the file is damaged.</exception>
    public static BpeVocabulary Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        bool zipped = file.ReadByte() == 0x1F && file.ReadByte() == 0x8B;
        file.Position = 0;
        using Stream stream = zipped ? new UnpackedStream(new GZipStream(file, CompressionMode.Decompress), file.Length, path) : file;
        using var reader = new StreamReader(stream);
        List<string> merges = [];
        for (string? line = reader.ReadLine(); merges.Count < Merges && (line = reader.ReadLine()) is not null;)
        {
            if (line.Count(letter => letter == ' ') != 1)
            {
                throw new InvalidDataException($"{path}: line {merges.Count + 2} is '{(line.Length > 40 ? line[..40] : line)}'; "
                    + "expected a merge, two tokens with a blank between them. Is this bpe_simple_vocab_16e6.txt.gz?");
            }

            merges.Add(line);
        }

        return BpeVocabulary.FromMerges(merges, StartToken, EndToken);
    }

    private static ClipTokenizer Make(BpeVocabulary vocabulary, int start, int end, string unknown, int length, IEnumerable<AddedToken> added) =>
        new(vocabulary, new ClipTokenizerOptions
        {
            Library = ClipTokenizerLibrary.OpenClip,
            StartToken = StartToken,
            EndToken = EndToken,
            UnknownToken = unknown,
            MaxLength = length,
            AddedTokens = [.. added, new AddedToken(StartToken, start), new AddedToken(EndToken, end)],
        });
}
