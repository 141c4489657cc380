using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LabelTableTests
{
    private static readonly LabelTable s_things =
        Table("""{"id2label": {"0": "N/A", "1": "person", "2": "teddy bear", "3": "N/A", "4": "tie", "5": "book", "6": "boat", "7": "tv"}}""");

    [Test]
    public void NamesHaveIds()
    {
        Assert.That(s_things.Count, Is.EqualTo(8));
        Assert.That(s_things.Find("book"), Is.EqualTo(5));
        Assert.That(s_things.Find("Book"), Is.Null, "upper and lower case differ");
        Assert.That(s_things.Find("N/A"), Is.EqualTo(3), "the last of a name");
        Assert.That(Table("""{"id2label": {"0": "x", "1": "x"}, "label2id": {"x": 0}}""").Find("x"), Is.EqualTo(0), "label2id decides");
        Assert.That(Table("""{"label2id": {"b": 1, "a": 0}}""").Find("b"), Is.EqualTo(1));
    }

    [Test]
    public void WithoutNamesThereAreNumbers()
    {
        Assert.That(Table("""{"num_labels": 3}""").Find("LABEL_2"), Is.EqualTo(2));
        Assert.That(Table("{}").Count, Is.EqualTo(2), "the reference's default");
    }

    [TestCase("bok", "book")]
    [TestCase("teddy", "teddy bear")]
    [TestCase("books", "book")]
    [TestCase("PERSON", "person")]
    [TestCase("a photograph of a tedy bear on a shelf", "teddy bear")]
    public void TheNearestNameIsFirst(string text, string nearest) => Assert.That(s_things.FindNearest(text)[0], Is.EqualTo(nearest));

    [Test]
    public void SuggestionsAreFew() => Assert.That(s_things.FindNearest("zebra"), Has.Count.EqualTo(5));

    [TestCase("""{"id2label": {"0": 7}}""", "id2label")]
    [TestCase("""{"id2label": {"first": "a"}}""", "first")]
    [TestCase("""{"id2label": ["a"]}""", "id2label")]
    [TestCase("""{"id2label": {"0": "a", "9": "b"}}""", "9")]
    [TestCase("""{"label2id": {"a": "x"}}""", "label2id")]
    public void ATableThatIsNoneIsNamed(string json, string expected) =>
        Assert.That(() => Table(json), Throws.TypeOf<InvalidDataException>().With.Message.Contains(expected));

    private static LabelTable Table(string json) => LabelTable.FromJson(JsonDocument.Parse(json).RootElement);
}
