using Examples;
using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

public class CompareCardsTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("cards-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void TwoCardsStandSideBySide()
    {
        string a = Card("a", 1.5, 0.25, steps: 40), b = Card("b", 0.5, 0.25, steps: 20);
        CompareCards.Run([a, b], _folder);
        string page = File.ReadAllText(Path.Combine(_folder, "compare.md"));
        Assert.That(page, Does.Contain("| heldOut | 5.000 | 6.500 | 1.500 ± 0.250 | 5.000 | 5.500 | 0.500 ± 0.250 |"));
        Assert.That(page, Does.Contain("| steps | 40 | 20 |").And.Contain("the intervals are apart, A is ahead"));
        Assert.That(File.ReadAllLines(Path.Combine(_folder, "compare.csv")), Does.Contain("steps,40,20").And.Contain("heldOut,5 -> 6.5,5 -> 5.5"));
        Assert.That(new FileInfo(Path.Combine(_folder, "compare.png")).Length, Is.GreaterThan(1000));
    }

    [Test]
    public void WhatIsNoCardIsRefused()
    {
        string a = Card("a", 1, 1, steps: 1), broken = Path.Combine(_folder, "broken.json");
        File.WriteAllText(broken, "[");
        Assert.That(() => CompareCards.Run([a], _folder), Throws.TypeOf<UsageException>().With.Message.Contains("two"));
        Assert.That(() => CompareCards.Run([a, broken], _folder), Throws.TypeOf<UsageException>().With.Message.Contains("broken.json"));
        Assert.That(() => CompareCards.Run([a, Path.Combine(_folder, "none.json")], _folder),
            Throws.TypeOf<UsageException>().With.Message.Contains("none.json"));
    }

    private string Card(string name, double gain, double half, int steps)
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, name)).FullName, "run-card.json");
        RunCard.Write(path, new Dictionary<string, object?>
        {
            ["heldOut"] = new Dictionary<string, double> { ["before"] = 5, ["after"] = 5 + gain, ["gain"] = gain, ["gainHalfWidth95"] = half },
            ["heldOutText"] = null,
            ["steps"] = steps,
        });
        return path;
    }
}
