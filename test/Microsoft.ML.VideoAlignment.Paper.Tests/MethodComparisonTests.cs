using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What pages claim follows from the runs, whichever way they went.</summary>
public class MethodComparisonTests
{
    private const string Reward = PaperRewards.Aesthetic;

    /// <summary>VADER: 5 to 9 in 100 queries, nine tenths (8.6) at 90.</summary>
    private static readonly (int Queries, double Reward)[] s_vader = [(90, 8.6), (100, 9)];

    [TestCase(9.5, 1000, "**Holds**", "at most a tenth of the 800 that DDPO needs: 8.9 times", false)]
    [TestCase(9.5, 2000, "**Holds**", "at most a tenth of the 1600 that DDPO needs", true)]
    [TestCase(6, 100, "**Cannot be said**", "with 100 queries, 1.1 times as many, DDPO has not reached that level; it has 25 % of VADER's gain", true)]
    [TestCase(6, 900, "**Holds**", "with 900 queries, 10.0 times as many, DDPO has not reached that level", true)]
    public void NineTenthsOfAGainAndWhatTheyCost(double reached, int queries, string verdict, string says, bool holds)
    {
        MethodComparison contest = Runs(s_vader, [(queries, reached)]);
        var page = new Page("title", "question");
        Efficiency.Claim(page, contest, Reward);
        string text = PageText.Of(page);
        Assert.That(text, Does.Contain(holds ? verdict : "**Does not hold**").And.Contain(says));
    }

    [Test]
    public void NoGainIsSaidToBeNone()
    {
        var page = new Page("title", "question");
        Efficiency.Claim(page, Runs([(90, 4.9), (100, 4.8)], [(100, 6)]), Reward);
        Assert.That(PageText.Of(page), Does.Contain("**Does not hold**").And.Contain("it does not"));
    }

    [Test]
    public void LongerRunsCountWhereThereAreAny()
    {
        MethodComparison contest = Runs(s_vader, [(100, 6)]);
        var longer = new Sample("longer", [Run(Methods.Ddpo, 1, [(1000, 7)]), Run(Methods.Ddpo, 2, [(1000, 7)])], contest[Methods.Base, Reward].Runs);
        var page = new Page("title", "question");
        Efficiency.Claim(page, contest, Reward, longer);
        Assert.That(PageText.Of(page), Does.Contain("**Holds**").And.Contain("with 1000 queries, 11.1 times as many"));
    }

    [Test]
    public void ASampleIsOfSeedsWhoseBaseIsThere()
    {
        CellResult[] bases = [Run(Methods.Base, 1, [(8, 5)]), Run(Methods.Base, 2, [(8, 6)])];
        var sample = new Sample("some", [Run(Methods.Vader, 2, [(32, 8)]), Run(Methods.Vader, 1, [(32, 6)]), Run(Methods.Vader, 3, [(32, 100)])], bases);
        Assert.That(sample.Runs.Select(run => run.Cell.Seed), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(sample.Mean, Is.EqualTo(new[] { new CurvePoint(0, 0, 0, 5.5), new CurvePoint(32, 3.2, 3.2, 7) }));
        Assert.That(sample.At(Sample.Queries, 16).Mean, Is.EqualTo(6.25));
        Assert.That(sample.Reaches(Sample.Queries, 6.25), Is.EqualTo(16));
        Assert.That(Fig4.Gap(sample, new Sample("others", bases, bases), run => run.Curve[^1].Reward).Mean, Is.EqualTo(1.5), "seed by seed: 6 - 5 and 8 - 6");
    }

    [TestCase("last 3", 5, "the last 3")]
    [TestCase("sensitive 1", 10, "the 1 that move the video most")]
    [TestCase("early", 5, "steps 0, 2, scored at step 3")]
    [TestCase("early", 20, "steps 0, 2, 4, 6, 8, 10, scored at step 13")]
    public void WindowsAreReadByTheirNames(string name, int steps, string expected) =>
        Assert.That(Methods.Window(name, steps).ToString(), Is.EqualTo(expected));

    [TestCase("last")]
    [TestCase("first 1")]
    [TestCase("last x")]
    public void OtherWindowsAreRefused(string name) => Assert.That(() => Methods.Window(name, 5), Throws.ArgumentException);

    private static MethodComparison Runs((int, double)[] vader, (int, double)[] ddpo) => new(
    [
        .. new[] { 1, 2 }.SelectMany(seed => new[] { Run(Methods.Base, seed, [(8, 5)]), Run(Methods.Vader, seed, vader), Run(Methods.Ddpo, seed, ddpo) }),
    ]);

    private static CellResult Run(string method, int seed, (int Queries, double Reward)[] curve) => new()
    {
        Cell = Scale.Full.Cell(method, Reward, seed, 1e-3),
        Curve = [.. curve.Select(point => new CurvePoint(point.Queries, point.Queries / 10.0, point.Queries / 10.0, point.Reward))],
        Aligned = new Dictionary<string, double> { [Reward] = curve[^1].Reward },
        Unseen = new Dictionary<string, double> { [Reward] = curve[^1].Reward },
        Seconds = 1,
        CpuSeconds = 1,
        Machine = "",
        Commit = "",
    };
}
