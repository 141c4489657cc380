using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Tokens that were added to a tokenizer are recognized whole, as transformers does, in whichever of its files they stand.</summary>
public class AddedTokenTests
{
    private static readonly string s_vocabulary = Path.Combine(ConformanceCase.Root, "S05-tokenizers", "vocab");

    [TestCase("<MyStyle>", new[] { 900 })]
    [TestCase("the <MyStyle> cat", new[] { -1, 900, -2 })]
    [TestCase("the<MyStyle>cat", new[] { -1, 900, -2 }, TestName = "{m}(no blank is needed)")]
    [TestCase("the <mystyle> cat", null, TestName = "{m}(other letters are another text)")]
    [TestCase("<MyStyle><MyStyle>", new[] { 900, 900 })]
    public void ATokenWithCapitalsIsWhole(string text, int[]? expected)
    {
        using var folder = new Folder();
        folder.Write("tokenizer_config.json", """{ "added_tokens_decoder": { "900": { "content": "<MyStyle>", "normalized": false, "special": false } } }""");
        Expect(folder, text, expected);
    }

    /// <summary>A token that is searched for in normalized text matches in any letter case, since the text's is folded and the token's with it.</summary>
    [TestCase("<MyStyle>", 900)]
    [TestCase("<mystyle>", 900)]
    [TestCase("<MYSTYLE>", 900)]
    public void ANormalizedTokenIsFoundInAnyCase(string text, int id)
    {
        using var folder = new Folder();
        folder.Write("added_tokens.json", $$"""{ "<MyStyle>": {{id}} }""");
        Expect(folder, $"the {text} cat", [-1, id, -2]);
    }

    [TestCase("added_tokens.json", """{ "<MyStyle>": 900 }""")]
    [TestCase("tokenizer.json", """{ "added_tokens": [{ "id": 900, "content": "<MyStyle>", "normalized": false, "special": true }] }""")]
    [TestCase("tokenizer_config.json", """{ "added_tokens_decoder": { "900": { "content": "<MyStyle>", "special": true } } }""")]
    public void EveryFileThatNamesThemIsRead(string file, string json)
    {
        using var folder = new Folder();
        folder.Write(file, json);
        Expect(folder, "the <MyStyle> cat", [-1, 900, -2]);
    }

    [Test]
    public void OfTokensThatBeginAtOnePlaceTheLongestCounts()
    {
        using var folder = new Folder();
        folder.Write("tokenizer_config.json", """
            { "added_tokens_decoder": {
              "900": { "content": "<a>", "normalized": false },
              "901": { "content": "<a><b>", "normalized": false },
              "902": { "content": "<b>", "normalized": false } } }
            """);
        Expect(folder, "<a><b><b><a>", [901, 902, 900]);
    }

    /// <summary>
    /// What a token absorbs is not seen by what follows: no vocabulary here has a token for a blank, so a word that is torn off shows it.
    /// </summary>
    [Test]
    public void StripTakesTheBlanksAndSingleWordWantsThem()
    {
        using DisposeScope scope = NewDisposeScope();
        string[] Split(AddedToken token, string text) =>
            [.. new AddedTokenSplitter([token], static piece => piece).Split(text).Select(piece => piece.Id is null ? piece.Text : $"#{piece.Id}")];
        var plain = new AddedToken("<s>", 7) { Normalized = false };
        Assert.That(Split(plain, "a  <s>  b"), Is.EqualTo(new[] { "a  ", "#7", "  b" }));
        Assert.That(Split(plain with { LeftStrip = true }, "a  <s>  b"), Is.EqualTo(new[] { "a", "#7", "  b" }));
        Assert.That(Split(plain with { RightStrip = true }, "a  <s>  b"), Is.EqualTo(new[] { "a  ", "#7", "b" }));
        Assert.That(Split(plain with { LeftStrip = true }, "<s>  <s>"), Is.EqualTo(new[] { "", "#7", "", "#7", "" }),
            "what the first has left, the second takes");
        var word = new AddedToken("ox", 8) { Normalized = false, SingleWord = true };
        Assert.That(Split(word, "ox box oxen, (ox) _ox \u00e9ox ox"), Is.EqualTo(new[] { "", "#8", " box oxen, (", "#8", ") _ox \u00e9ox ", "#8", "" }));
    }

    [Test]
    public void AnIdThatTheEncoderWasNotTaughtIsNamedWithItsText()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(TinyModel.Folder, "*", SearchOption.AllDirectories))
        {
            folder.Write(Path.GetRelativePath(TinyModel.Folder, file), File.ReadAllBytes(file));
        }

        folder.Write("tokenizer/added_tokens.json", """{ "<MyStyle>": 123456 }"""u8);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained($"{folder}");
        var rig = new DoorRig();
        var options = new VideoSamplingOptions { Frames = 2, Height = 16, Width = 16, Steps = 1 };
        IDataView videos = rig.Context.Transforms.GenerateVideo("Video", "Prompt", model, options).Fit(rig.Prompts).Transform(rig.Table("a cat in <MyStyle>"));
        Exception? error = Assert.Catch(() => EstimatorContract.Values(videos));
        Assert.That(error, Is.InstanceOf<InvalidDataException>().With.Message.Contains("123456").And.Message.Contains("'a cat in "
            + "<MyStyle>'").And.Message.Contains("was not taught"));
        Assert.That(() => EstimatorContract.Values(rig.Context.Transforms.GenerateVideo("Video", "Prompt", model,
            options).Fit(rig.Prompts).Transform(rig.Table("a cat"))), Throws.Nothing);
    }

    [Test]
    public void TheRewardsTextEncodersNameItToo()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(SmallRewards.ClipFolder))
        {
            folder.Write(Path.GetFileName(file), File.ReadAllBytes(file));
        }

        folder.Write("added_tokens.json", """{ "<MyStyle>": 40 }"""u8);
        using VideoReward reward = VideoRewards.TextImageSimilarity($"{folder}");
        using Tensor frames = SmallRewards.Frames(1, 3, 1, 16, 16);
        Assert.That(() => reward.Score(frames, ["a <MyStyle>"]),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("id 40").And.Message.Contains("0 to 39"));
    }

    [TestCase("""{ "<a>": -1 }""", "added_tokens.json")]
    [TestCase("""{ "<a>": 1.5 }""", "added_tokens.json")]
    [TestCase("""{ "added_tokens_decoder": { "x": { "content": "<a>" } } }""", "tokenizer_config.json")]
    [TestCase("""{ "added_tokens_decoder": { "9": "<a>" } }""", "tokenizer_config.json")]
    [TestCase("""{ "added_tokens": [{ "content": "<a>" }] }""", "tokenizer.json")]
    public void AnEntryThatIsNotATokenIsNamed(string json, string file)
    {
        using var folder = new Folder();
        folder.Write(file, json);
        Assert.That(() => ClipTokenizer.FromFolder(folder.Path),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains(file).And.Message.Contains("id from 0"));
    }

    /// <summary>A VideoCrafter checkpoint's tokenizer may be a folder of transformers: what was added there is whole in OpenCLIP's text too.</summary>
    [Test]
    public void OpenClipFindsThemInItsOwnText()
    {
        using var folder = new Folder();
        ClipTokenizer plain = OpenClipVocabulary.ReadTokenizer(folder.Path);
        int[] the = [.. plain.ToIds("the")], cat = [.. plain.ToIds("cat")];
        folder.Write("added_tokens.json", """{ "<MyStyle>": 900 }""");
        ClipTokenizer tokenizer = OpenClipVocabulary.ReadTokenizer(folder.Path);
        Assert.That(tokenizer.ToIds("the <MyStyle> cat"), Is.EqualTo((int[])[.. the, 900, .. cat]));
        Assert.That(tokenizer.ToIds("<start_of_text>the<end_of_text>"), Is.EqualTo(plain.ToIds("<start_of_text>the<end_of_text>")));
    }

    [Test]
    public void T5HasItsMarksItsExtraIdsAndWhatWasAdded()
    {
        using var folder = new TemporaryFolder();
        folder.Write("spiece.model", File.ReadAllBytes(Path.Combine(s_vocabulary, "t5", "spiece.model")));
        T5Tokenizer plain = T5Tokenizer.FromFolder($"{folder}", 20);
        int pieces = SentencePieceModel.FromFile(folder.Path("spiece.model")).Pieces.Count;
        int[] the = [.. plain.ToIds("the")], cat = [.. plain.ToIds("cat")];
        Assert.That(plain.ToIds("the <extra_id_0> cat"), Is.EqualTo((int[])[.. the, pieces + 99, .. cat]));
        Assert.That(plain.ToIds("the<extra_id_99>"), Is.EqualTo((int[])[.. the, pieces]));
        Assert.That(plain.ToIds("the</s> cat"), Is.EqualTo((int[])[.. the, 1, .. cat]));
        Assert.That(plain.ToIds("the <MyStyle> cat"), Does.Not.Contain(pieces + 100));

        folder.Write("added_tokens.json", System.Text.Encoding.UTF8.GetBytes($$"""{ "<MyStyle>": {{pieces + 100}} }"""));
        T5Tokenizer styled = T5Tokenizer.FromFolder($"{folder}", 20);
        Assert.That(styled.ToIds("the <MyStyle> cat"), Is.EqualTo((int[])[.. the, pieces + 100, .. cat]));
        folder.Write("tokenizer_config.json", """{ "extra_ids": 0 }"""u8);
        Assert.That(T5Tokenizer.FromFolder($"{folder}", 20).ToIds("<extra_id_0>"), Does.Not.Contain(pieces + 99));
    }

    /// <summary>-1: the ids of "the"; -2: those of "cat". Null: none of the added ones.</summary>
    private static void Expect(Folder folder, string text, int[]? expected)
    {
        ClipTokenizer tokenizer = ClipTokenizer.FromFolder(folder.Path);
        IReadOnlyList<int> tokens = tokenizer.ToIds(text);
        if (expected is null)
        {
            Assert.That(tokens, Is.All.LessThan(900));
            return;
        }

        Assert.That(tokens, Is.EqualTo(expected.SelectMany(id => id switch { -1 => tokenizer.ToIds("the"), -2 => tokenizer.ToIds("cat"), _ => [id] })));
    }

    /// <summary>A tokenizer folder with CLIP's byte letters and two merges, 516 tokens.</summary>
    private sealed class Folder : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public Folder()
        {
            int[] printable = [.. Enumerable.Range(33, 94), .. Enumerable.Range(161, 12), .. Enumerable.Range(174, 82)];
            string[] letters = [.. printable.Concat(Enumerable.Range(256, 256 - printable.Length)).Select(code => ((char)code).ToString())];
            string[] tokens = [.. letters, .. letters.Select(letter => letter + "</w>"), "th", "the</w>", "<|startoftext|>", "<|endoftext|>"];
            Write("vocab.json", JsonSerializer.Serialize(tokens.Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id)));
            Write("merges.txt", "#version: 0.2\nt h\nth e</w>\n");
        }

        public string Path => $"{_folder}";

        public void Write(string file, string text) => _folder.Write(file, System.Text.Encoding.UTF8.GetBytes(text));

        public void Dispose() => _folder.Dispose();
    }
}
