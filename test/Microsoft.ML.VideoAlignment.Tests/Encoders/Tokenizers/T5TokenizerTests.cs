using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

public class T5TokenizerTests
{
    private static readonly string s_model = Path.Combine(ConformanceCase.Root, "S05-tokenizers", "vocab", "t5", "spiece.model");

    /// <summary>"ab" as one piece scores more than "a" and "b"; "xy" is made of two characters that no piece has.</summary>
    private static SentencePieceModel Model(params SentencePiece[] more) => new()
    {
        Pieces =
        [
            new("<pad>", 0, PieceKind.Control), new("</s>", 0, PieceKind.Control), new("<unk>", 0, PieceKind.Unknown),
            new("\u2581", -4, PieceKind.Normal), new("a", -2, PieceKind.Normal), new("b", -2, PieceKind.Normal), new("ab", -3, PieceKind.Normal), .. more,
        ],
    };

    [TestCase("ab", new[] { 3, 6 })]
    [TestCase("ba", new[] { 3, 5, 4 })]
    [TestCase("axyb", new[] { 3, 4, 2, 5 }, TestName = "{m}(unknown ones are one)")]
    [TestCase("x\U0001F600", new[] { 3, 2 }, TestName = "{m}(two code units, one character)")]
    [TestCase("  a   b ", new[] { 3, 4, 3, 5 }, TestName = "{m}(extra blanks)")]
    [TestCase("   ", new int[0], TestName = "{m}(blanks alone)")]
    [TestCase("", new int[0], TestName = "{m}(nothing)")]
    [TestCase("</s>a", new[] { 3, 2, 4 }, TestName = "{m}(control pieces are no text)")]
    [TestCase("a\ud800", new[] { 3, 4, 2 }, TestName = "{m}(half a surrogate pair)")]
    public void TextsAreCutIntoTheMostProbablePieces(string text, int[] ids) => Assert.That(new T5Tokenizer(Model(), 16).ToIds(text), Is.EqualTo(ids));

    [Test]
    public void APieceOfTheUserWinsAndAnUnusedOneIsNotTaken()
    {
        SentencePieceModel model = Model(new SentencePiece("ba", -99, PieceKind.UserDefined), new SentencePiece("best", 0, PieceKind.Normal));
        Assert.That(new T5Tokenizer(model, 16).ToIds("ba"), Is.EqualTo(new[] { 3, 7 }));
        Assert.That(new T5Tokenizer(Model(new SentencePiece("ba", 5, PieceKind.Unused)), 16).ToIds("ba"), Is.EqualTo(new[] { 3, 5, 4 }));
    }

    /// <summary>UMT5's order of special pieces; transformers 5 would write 2 for the unknown one.</summary>
    [Test]
    public void SpecialIdsAreTheModels()
    {
        var model = new SentencePieceModel
        {
            Pieces =
            [
                new("</s>", 0, PieceKind.Control), new("<pad>", 0, PieceKind.Control), new("<s>", 0, PieceKind.Control), new("\u2581", -4, PieceKind.Normal),
                new("a", -2, PieceKind.Normal), new("<unk>", 0, PieceKind.Unknown),
            ],
        };
        using TokenBatch batch = new T5Tokenizer(model, 6).Encode(["axya"]);
        Assert.That(batch.Ids.data<long>().ToArray(), Is.EqualTo(new long[] { 3, 4, 5, 4, 0, 1 }));
    }

    /// <summary>Every unknown character becomes its bytes, neighbors too; no text spells a byte's piece.</summary>
    [Test]
    public void UnknownCharactersBecomeBytesWhereTheModelSaysSo()
    {
        SentencePiece[] bytes = [.. Enumerable.Range(0, 256).Select(value => new SentencePiece($"<0x{value:X2}>", 0, PieceKind.Byte))];
        SentencePieceModel model = Model(bytes) with { HasByteFallback = true };
        Assert.That(new T5Tokenizer(model, 16).ToIds("a\u00E9x"), Is.EqualTo(new[] { 3, 4, 7 + 0xC3, 7 + 0xA9, 7 + 'x' }));
        Assert.That(new T5Tokenizer(model, 16).ToIds("<0x61>"), Is.EqualTo("<0x61>".Select(letter => 7 + letter).Prepend(3)));
        Assert.That(() => new T5Tokenizer(Model(bytes[..255]) with { HasByteFallback = true }, 16),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("<0xFF>"));
    }

    [Test]
    public void ByteFallbackIsReadFromTheFile()
    {
        using var folder = new TemporaryFolder();

        // pieces (1) { piece (1): "a" }, trainer_spec (2) { model_type (3): unigram (1), byte_fallback (35): true }.
        string path = folder.Write("spiece.model", [0x0A, 0x03, 0x0A, 0x01, 0x61, 0x12, 0x05, 0x18, 0x01, 0x98, 0x02, 0x01]);
        Assert.That(SentencePieceModel.FromFile(path).HasByteFallback);
    }

    /// <summary>diffusers' prompt_clean: nothing is lowered, references are decoded as often as ftfy and two more times.</summary>
    [TestCase("  A\u3000Cat \r\n\t runs  ", "A Cat runs")]
    [TestCase("A &amp;amp;lt; B", "A < B")]
    [TestCase("\uFF0C\u201Cx\u201D", ",\"x\"")]
    [TestCase(" \u00A0 ", "")]
    public void APromptIsCleaned(string text, string cleaned) => Assert.That(PromptText.Clean(text), Is.EqualTo(cleaned));

    [Test]
    public void ATextThatIsTooLongKeepsItsEnd()
    {
        using TokenBatch batch = new T5Tokenizer(Model(), 4).Encode(["ababab", "a"]);
        Assert.That(batch.Ids.data<long>().ToArray(), Is.EqualTo(new long[] { 3, 6, 6, 1, 3, 4, 1, 0 }));
        Assert.That(batch.AttentionMask.data<long>().ToArray(), Is.EqualTo(new long[] { 1, 1, 1, 1, 1, 1, 1, 0 }));
        Assert.That(batch.CutTokens, Is.EqualTo(new[] { 1, 0 }));
        using TokenBatch shorter = new T5Tokenizer(Model(), 9).Encode(["ab", "a"], padToLongest: true);
        Assert.That(shorter.Ids.shape, Is.EqualTo(new long[] { 2, 3 }));
    }

    [Test]
    public void TheLengthOfAFolderIsItsConfigurations()
    {
        using var folder = new TemporaryFolder();
        folder.Write("spiece.model", File.ReadAllBytes(s_model));
        Assert.That(T5Tokenizer.FromFolder($"{folder}").MaxLength, Is.EqualTo(512));
        folder.Write("tokenizer_config.json", """{ "model_max_length": 120 }"""u8);
        Assert.That(T5Tokenizer.FromFolder($"{folder}").MaxLength, Is.EqualTo(120));
        folder.Write("tokenizer_config.json", """{ "model_max_length": 1000000000000000019884624838656 }"""u8);
        Assert.That(T5Tokenizer.FromFolder($"{folder}").MaxLength, Is.EqualTo(512), "no limit");
        Assert.That(T5Tokenizer.FromFolder($"{folder}", 300).MaxLength, Is.EqualTo(300));
    }

    [Test]
    public void AMissingModelIsNamed() =>
        Assert.That(() => T5Tokenizer.FromFolder("nowhere"), Throws.InstanceOf<FileNotFoundException>().With.Message.Contains("spiece.model"));

    [Test]
    public void ATruncatedModelIsAnErrorAtEveryLength()
    {
        byte[] whole = File.ReadAllBytes(s_model);
        using var folder = new TemporaryFolder();
        for (int length = 0; length < whole.Length; length += 4001)
        {
            string path = folder.Write("spiece.model", whole.AsSpan(0, length));
            try
            {
                // Cut between two fields it is a shorter model, which lacks what a tokenizer needs or is one.
                _ = new T5Tokenizer(SentencePieceModel.FromFile(path), 8).ToIds("a text");
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    [Test]
    public void AModelOfAnotherKindIsRefused()
    {
        using var folder = new TemporaryFolder();

        // trainer_spec (2) { model_type (3): BPE (2) }.
        string path = folder.Write("spiece.model", [0x12, 0x02, 0x18, 0x02]);
        Assert.That(() => SentencePieceModel.FromFile(path), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("unigram"));
    }
}
