using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoPromptsTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void LinesArePromptsWithoutTheBlanksAround() =>
        Assert.That(VideoPrompts.FromTextFile(Write("\uFEFF a cat \r\n\r\n  \na dog, \u00E9l\u00E9gant")),
            Is.EqualTo(new[] { "a cat", "a dog, \u00E9l\u00E9gant" }));

    [Test]
    public void ThePapersActivityPromptsAre135()
    {
        Assert.That(VideoPrompts.Animals.Distinct().Count(), Is.EqualTo(45));
        Assert.That(VideoPrompts.AnimalActivities, Has.Count.EqualTo(135).And.Contains("an ant washing the dishes").And.Contains("a kangaroo playing chess"));
        Assert.That(VideoPrompts.NounsAndActivities(["fox"], VideoPrompts.Instruments), Has.Some.EqualTo("a fox playing the violin"));
    }

    [Test]
    public void AColumnIsFoundByItsName()
    {
        string path = Write("id\tprompt\tnote\n1\ta cat\tx\n2\t\"a \"\"big\"\" dog\"\ty\n\n3\t\tz\n4\t a fish \t\n");
        Assert.That(VideoPrompts.FromTsv(path, "prompt"), Is.EqualTo(new[] { "a cat", "a \"big\" dog", "a fish" }));
        Assert.That(VideoPrompts.FromTsv(path, "note"), Is.EqualTo(new[] { "x", "y", "z" }));
    }

    [Test]
    public void FaultsOfFilesAreNamed()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => VideoPrompts.FromTextFile(_folder.Path("none.txt")),
                Throws.InstanceOf<FileNotFoundException>().With.Message.Contains("none.txt"));
            Assert.That(() => VideoPrompts.FromTextFile(Write(" \n")), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("no prompts"));
            Assert.That(() => VideoPrompts.FromTsv(Write("a\tb\n1\t2"), "prompt"), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("'a', 'b'"));
            Assert.That(() => VideoPrompts.FromTsv(Write("a\tb\n1\t2\n3"), "b"), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("line 3"));
            Assert.That(() => VideoPrompts.FromTsv(Write("a\ta\n1\t2"), "a"), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("more than one"));
            Assert.That(() => VideoPrompts.FromTsv(Write("a\tb\n1\t"), "b"), Throws.InstanceOf<InvalidDataException>().With.Message.Contains("empty"));
            Assert.That(() => VideoPrompts.NounsAndActivities([" "], ["x"]), Throws.ArgumentException.With.Property("ParamName").EqualTo("nouns"));
        }
    }

    /// <summary>Windows' own code page, and UTF-16 without the mark that says so: what was read would be another prompt.</summary>
    [TestCase("latin1", "UTF-8")]
    [TestCase("utf-16", "NUL")]
    public void TextThatIsNotUtf8IsRefusedWithItsLine(string encoding, string mentions)
    {
        string path = _folder.Path("prompts.txt");
        File.WriteAllBytes(path, System.Text.Encoding.GetEncoding(encoding).GetBytes(encoding == "utf-16" ? "prompt\na cat\n" : "prompt\n\u00E9l\u00E9gant\n"));
        string line = encoding == "utf-16" ? "line 1" : "line 2";
        Assert.That(() => VideoPrompts.FromTextFile(path),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains(line).And.Message.Contains(mentions));
        Assert.That(() => VideoPrompts.FromTsv(path, "prompt"),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains(line).And.Message.Contains(mentions));
    }

    [Test]
    public void ATabBetweenQuotesDividesNoCells()
    {
        string path = Write("prompt\tnote\n\"a cat\tand \"\"a\tdog\"\"\"\tx\n\"an open quote\ty\n");
        Assert.That(VideoPrompts.FromTsv(path, "prompt"), Is.EqualTo(new[] { "a cat\tand \"a\tdog\"", "\"an open quote" }));
        Assert.That(VideoPrompts.FromTsv(path, "note"), Is.EqualTo(new[] { "x", "y" }));
    }

    [Test]
    public void EveryNounMeetsEveryActivity() => Assert.That(
        VideoPrompts.NounsAndActivities(["cat", "ant"], ["riding a bike", "playing chess"]),
        Is.EqualTo(new[] { "a cat riding a bike", "a cat playing chess", "an ant riding a bike", "an ant playing chess" }));

    [Test]
    public void DrawsAreThoseOfTheirSeed()
    {
        string[] nouns = ["cat", "dog", "ant"];
        string[] activities = ["riding a bike", "playing chess"];
        IReadOnlyList<string> drawn = VideoPrompts.NounsAndActivities(nouns, activities, 300, seed: 5);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(VideoPrompts.NounsAndActivities(nouns, activities, 300, seed: 5), Is.EqualTo(drawn));
            Assert.That(VideoPrompts.NounsAndActivities(nouns, activities, 300, seed: 6), Is.Not.EqualTo(drawn));
            Assert.That(drawn.Distinct(), Is.EquivalentTo(VideoPrompts.NounsAndActivities(nouns, activities)), "all six occur");
            Assert.That(() => VideoPrompts.NounsAndActivities(nouns, activities, 0, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [TestCase("cat", "a cat")]
    [TestCase("ant", "an ant")]
    [TestCase("an elephant", "an elephant")]
    [TestCase("a owl", "an owl")]
    [TestCase("unicorn", "a unicorn")]
    [TestCase("unimpressed cat", "an unimpressed cat")]
    [TestCase("uninvited guest", "an uninvited guest")]
    [TestCase("unidentified bird", "an unidentified bird")]
    [TestCase("umbrella", "an umbrella")]
    [TestCase("used car", "a used car")]
    [TestCase("European robin", "a European robin")]
    [TestCase("hourglass", "an hourglass")]
    [TestCase("horse", "a horse")]
    [TestCase("one-eyed dog", "a one-eyed dog")]
    [TestCase("onion", "an onion")]
    [TestCase("UFO", "a UFO")]
    [TestCase("FBI agent", "an FBI agent")]
    [TestCase("X-ray fish", "an X-ray fish")]
    [TestCase("8 year old", "an 8 year old")]
    [TestCase("11 year old", "an 11 year old")]
    [TestCase("110 year old", "a 110 year old")]
    public void TheArticleFollowsTheSound(string noun, string expected) => Assert.That(IndefiniteArticle.AddTo(noun), Is.EqualTo(expected));

    [Test]
    public void PromptsBecomeATable()
    {
        IDataView table = new MLContext(1).Data.LoadFromPrompts(["b", "", "a"], "Text");
        Assert.That(table.GetColumn<string>("Text"), Is.EqualTo(new[] { "b", "", "a" }));
        Assert.That(new MLContext(1).Data.LoadFromPrompts(["b"]).Schema.Select(column => column.Name), Is.EqualTo(new[] { "Prompt" }));
    }

    private string Write(string text) => _folder.Write("prompts.txt", System.Text.Encoding.UTF8.GetBytes(text));
}
