using System.IO.Compression;
using System.Text;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes;
using static Microsoft.ML.VideoAlignment.Tests.FuzzSeeds;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Files of tokenizers.</summary>
internal static class TokenizerReaders
{
    private static readonly Type[] s_documented = [typeof(WeightFileException), typeof(InvalidDataException), typeof(FileNotFoundException)];

    public static IEnumerable<FuzzReader> All()
    {
        string clip = MovingShapesFiles.Find("clip");
        foreach (string file in new[] { "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json" })
        {
            yield return Clip(file, ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]);
        }

        yield return Clip("tokenizer.json", ["tokenizer.json", "tokenizer_config.json"]);
        yield return FuzzReader.OfFile(
            "added tokens", "added_tokens.json",
            path => AddedTokenFiles.Read(AddedTokenFiles.ReadJson(Path.GetDirectoryName(path)!, "added_tokens.json"), default, default, ""),
            Utf8("""{ "<new>": 7, "b": 8 }"""), s_documented);
        byte[] merges = File.ReadAllBytes(Path.Combine(clip, "merges.txt"));
        yield return FuzzReader.OfFile(
            "OpenCLIP vocabulary", "bpe.txt", path => OpenClipVocabulary.ReadTokenizer(path).ToIds("a red circle"), [merges], s_documented);
        yield return FuzzReader.OfFile(
            "OpenCLIP vocabulary, gzip", "bpe.txt.gz", path => OpenClipVocabulary.ReadTokenizer(path).ToIds("a red circle"), [Zipped(merges)], s_documented);
        yield return FuzzReader.OfFile(
            "SentencePiece model", "spiece.model", path => new T5Tokenizer(SentencePieceModel.FromFile(path), 8).ToIds("a red circle"), [Pieces()],
            s_documented);

        byte[] pieces = Pieces();
        yield return new FuzzReader("T5 tokenizer configuration",
            Utf8("""{ "model_max_length": 300, "added_tokens_decoder": { "2": { "content": "<unk>", "special": true } } }"""), (folder, config) =>
        {
            folder.Write("spiece.model", pieces);
            folder.Write("tokenizer_config.json", config);
            T5Tokenizer.FromFolder(folder.Path("")).Encode(["a red circle"]);
        }, s_documented);

        FuzzReader Clip(string file, string[] all) => new($"CLIP {file}", [File.ReadAllBytes(Path.Combine(clip, file))], (folder, content) =>
        {
            foreach (string other in all)
            {
                folder.Write(other, other == file ? content : File.ReadAllBytes(Path.Combine(clip, other)));
            }

            ClipTokenizer.FromFolder(folder.Path("")).Encode(["a red circle", "x</w>!"]);
        }, s_documented)
        { Words = ["</w>", "<|endoftext|>", "content", "added_tokens_decoder", "model_max_length", "merges", "vocab"] };

        static byte[] Zipped(byte[] content)
        {
            using var zipped = new MemoryStream();
            using (var gzip = new GZipStream(zipped, CompressionLevel.Optimal, leaveOpen: true))
            {
                gzip.Write(content);
            }

            return zipped.ToArray();
        }
    }

    /// <summary>A unigram vocabulary of eight pieces as the protocol buffer has it.</summary>
    private static byte[] Pieces()
    {
        List<byte> file = [];
        (string Text, float Score, int Kind)[] pieces =
            [("<pad>", 0, 3), ("</s>", 0, 3), ("<unk>", 0, 2), ("\u2581", -2, 1), ("\u2581a", -3, 1), ("r", -4, 1), ("e", -4, 1), ("<0x41>", 0, 6)];
        foreach ((string text, float score, int kind) in pieces)
        {
            byte[] name = Encoding.UTF8.GetBytes(text);
            byte[] piece = [0x0a, (byte)name.Length, .. name, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)kind];
            file.AddRange([0x0a, (byte)piece.Length, .. piece]);
        }

        return [.. file, 0x12, 2, 0x18, 1, 0x1a, 6, 0x18, 1, 0x20, 1, 0x28, 1];
    }
}
