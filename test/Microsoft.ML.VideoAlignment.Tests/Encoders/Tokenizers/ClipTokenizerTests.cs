using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipTokenizerTests
{
    private static readonly BpeVocabulary s_vocabulary = Vocabulary();
    private static readonly int s_start = s_vocabulary.Ids["<|startoftext|>"];
    private static readonly int s_end = s_vocabulary.Ids["<|endoftext|>"];
    private static readonly ClipTokenizer s_tokenizer = new(s_vocabulary, new ClipTokenizerOptions());

    [TestCase("")]
    [TestCase("   ")]
    [TestCase(" \t\r\n\u3000")]
    public void ATextWithoutWordsIsStartEndAndPadding(string text)
    {
        using TokenBatch batch = s_tokenizer.Encode([text], maxLength: 4);
        Assert.That(Row(batch.Ids, 0), Is.EqualTo(new long[] { s_start, s_end, s_end, s_end }));
        Assert.That(Row(batch.AttentionMask, 0), Is.EqualTo(new long[] { 1, 1, 0, 0 }));
        Assert.That(batch.CutTokens, Is.EqualTo(new[] { 0 }));
    }

    [Test]
    public void TwoHundredWordsAreCutWithTheEndTokenLastAndTheCutIsCounted()
    {
        using TokenBatch batch = s_tokenizer.Encode([string.Join(' ', Enumerable.Repeat("the", 200)), "the cat"]);
        long[] row = Row(batch.Ids, 0);
        Assert.That(row, Has.Length.EqualTo(77));
        Assert.That((row[0], row[1], row[75], row[76]),
            Is.EqualTo(((long)s_start, (long)s_vocabulary.Ids["the</w>"], (long)s_vocabulary.Ids["the</w>"], (long)s_end)));
        Assert.That(batch.CutTokens, Is.EqualTo(new[] { 200 - 75, 0 }));
        Assert.That(Row(batch.AttentionMask, 0), Is.All.EqualTo(1));
    }

    [Test]
    public void SeventyFiveWordsFitExactly()
    {
        using TokenBatch batch = s_tokenizer.Encode([string.Join(' ', Enumerable.Repeat("the", 75))]);
        Assert.That((batch.CutTokens[0], Row(batch.Ids, 0)[76]), Is.EqualTo((0, (long)s_end)));
    }

    [Test]
    public void PaddingToTheLongestRow()
    {
        using TokenBatch batch = s_tokenizer.Encode(["the the the", "the"], padToLongest: true);
        Assert.That(batch.Ids.shape, Is.EqualTo(new long[] { 2, 5 }));
        Assert.That(Row(batch.AttentionMask, 1), Is.EqualTo(new long[] { 1, 1, 1, 0, 0 }));
    }

    [Test]
    public void CharactersBeyondTheBasicPlaneAreLettersNumbersOrNeither()
    {
        Assert.That(Pieces("a\U0001D41Bc"), Is.EqualTo(new[] { "a\U0001D41Bc" }), "a mathematical bold b is a letter");
        Assert.That(Pieces("\U0001D7D9\U0001D7DA"), Is.EqualTo(new[] { "\U0001D7D9", "\U0001D7DA" }), "double-struck digits stand alone");
        Assert.That(Pieces("cat\U0001F600\U0001F600dog"), Is.EqualTo(new[] { "cat", "\U0001F600\U0001F600", "dog" }), "emoji are neither");
        Assert.That(s_tokenizer.ToIds("\U0001F600"), Has.Count.EqualTo(4), "four bytes of UTF-8");
    }

    [Test]
    public void Contractions() =>
        Assert.That(Pieces("they're 's 1st..'d"), Is.EqualTo(new[] { "they", "'re", "'s", "1", "st", "..'", "d" }));

    [Test]
    public void HalfASurrogatePairIsTheReplacementCharacter() =>
        Assert.That(s_tokenizer.ToIds("the \uD83D"), Is.EqualTo(s_tokenizer.ToIds("the \uFFFD")));

    [Test]
    public void SpecialTokensInATextAreTheirIds()
    {
        int the = s_vocabulary.Ids["the</w>"];
        Assert.That(s_tokenizer.ToIds("the<|ENDOFTEXT|>the <|startoftext|>"), Is.EqualTo(new[] { the, s_end, the, s_start }));
        var exclamation = new ClipTokenizer(s_vocabulary, new ClipTokenizerOptions { PadToken = "!" });
        Assert.That(s_tokenizer.ToIds("the!!"), Is.EqualTo(new[] { the, 0, s_vocabulary.Ids["!</w>"] }));
        Assert.That(exclamation.ToIds("the!!"), Is.EqualTo(new[] { the, 0, 0 }), "as padding it stands alone, whatever follows");
    }

    [Test]
    public void CaseFoldsCharacterByCharacter() => Assert.That(ClipText.Normalize("\u0130\u03A3\u03A3"), Is.EqualTo("i\u0307\u03C3\u03C3"));

    [Test]
    public void AFolderWithoutVocabularyIsAnError()
    {
        using var folder = new TokenizerFolder();
        Assert.That(() => ClipTokenizer.FromFolder(folder.Path),
            Throws.InstanceOf<FileNotFoundException>().With.Message.Contains("vocab.json").And.Message.Contains("tokenizer.json"));
    }

    [Test]
    public void APaddingTokenOutsideTheVocabularyIsAnError() =>
        Assert.That(() => new ClipTokenizer(s_vocabulary, new ClipTokenizerOptions { PadToken = "[PAD]" }),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("[PAD]"));

    [Test]
    public void TheSpecialTokensMapWinsAndAnUnsetLengthIsSeventySeven()
    {
        using var folder = new TokenizerFolder();
        folder.WriteVocabulary(s_vocabulary);
        folder.Write("tokenizer_config.json", """{ "model_max_length": 1000000000000000019884624838656, "pad_token": "<|endoftext|>" }""");
        folder.Write("special_tokens_map.json", """{ "bos_token": { "content": "<|startoftext|>" }, "pad_token": "!" }""");
        ClipTokenizer tokenizer = ClipTokenizer.FromFolder(folder.Path);
        Assert.That((tokenizer.PadId, tokenizer.MaxLength), Is.EqualTo((0, 77)));
    }

    [Test]
    public void TokenizerJsonAloneGivesTheSameIds()
    {
        using var folder = new TokenizerFolder();
        folder.Write("tokenizer.json", JsonSerializer.Serialize(new
        {
            added_tokens = new[] { new { id = 0, content = "!" }, new { id = s_end, content = "<|endoftext|>" } },
            model = new { vocab = s_vocabulary.Ids, merges = s_vocabulary.Merges.Select(merge => merge.Split(' ')) },
        }));
        folder.Write("tokenizer_config.json", """{ "model_max_length": 8, "pad_token": "!" }""");
        ClipTokenizer tokenizer = ClipTokenizer.FromFolder(folder.Path);
        Assert.That((tokenizer.PadId, tokenizer.MaxLength), Is.EqualTo((0, 8)));
        Assert.That(tokenizer.ToIds("The theatre, at 10"), Is.EqualTo(s_tokenizer.ToIds("The theatre, at 10")));
    }

    private static long[] Row(Tensor batch, int row) => [.. batch[row].data<long>()];

    private static string[] Pieces(string text) => [.. ClipText.Split(text).Select(piece => text[piece])];

    /// <summary>CLIP's order (byte letters, the same at a word's end, merges, start, end) with two merges.</summary>
    private static BpeVocabulary Vocabulary()
    {
        int[] printable = [.. Enumerable.Range(33, 94), .. Enumerable.Range(161, 12), .. Enumerable.Range(174, 82)];
        string[] letters = [.. printable.Concat(Enumerable.Range(256, 256 - printable.Length)).Select(code => ((char)code).ToString())];
        string[] merges = ["t h", "th e</w>"];
        string[] tokens =
        [
            .. letters, .. letters.Select(letter => letter + "</w>"), .. merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal)),
            "<|startoftext|>", "<|endoftext|>",
        ];
        return new BpeVocabulary(tokens.Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id), merges);
    }

    private sealed class TokenizerFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("tokenizer").FullName;

        public void Write(string file, string text) => File.WriteAllText(System.IO.Path.Combine(Path, file), text);

        public void WriteVocabulary(BpeVocabulary vocabulary)
        {
            Write("vocab.json", JsonSerializer.Serialize(vocabulary.Ids));
            Write("merges.txt", string.Join('\n', ["#version: 0.2", .. vocabulary.Merges]) + "\n");
        }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
