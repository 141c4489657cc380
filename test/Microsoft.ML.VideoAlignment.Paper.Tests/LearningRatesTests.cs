using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The rate that a method is compared with: the highest reward among the rates whose videos still follow their prompts.</summary>
public class LearningRatesTests
{
    private static readonly Scale s_scale = new() { Rates = [1e-4, 1e-3, 1e-2] };

    [Test]
    public void ARateThatForgetsThePromptsIsNotUsed()
    {
        var rates = new LearningRates([Base(0.8), Run(1e-4, 5, 0.8), Run(1e-3, 7, 0.73), Run(1e-2, 11, 0.1)], s_scale);
        Assert.That(rates.Of(Methods.Vader, PaperRewards.Aesthetic), Is.EqualTo(1e-3));
        Assert.That(rates.HighestOf(Methods.Vader, PaperRewards.Aesthetic), Is.EqualTo(1e-2));
        Assert.That(Text(rates), Does.Contain("**7.00**, 0.73").And.Contain("| 5.00, 0.80 |").And.Contain("~~11.00~~, 0.10").And.Contain(
            "below 0.72").And.Not.Contain("highest of the list"));
    }

    [Test]
    public void WhereTheBestFollowsItIsUsed()
    {
        var rates = new LearningRates([Base(0.8), Run(1e-4, 5, 0.8), Run(1e-2, 6, 0.75), Run(1e-3, 4, 0.8)], s_scale);
        Assert.That(rates.Of(Methods.Vader, PaperRewards.Aesthetic), Is.EqualTo(1e-2));
        Assert.That(rates.HighestOf(Methods.Vader, PaperRewards.Aesthetic), Is.Null);
        Assert.That(Text(rates), Does.Contain("highest of the list for VADER"));
    }

    [Test]
    public void WhereNoneFollowsTheLowestIsUsed() =>
        Assert.That(new LearningRates([Base(0.8), Run(1e-4, 5, 0.5), Run(1e-3, 7, 0.6)], s_scale).Of(Methods.Vader, PaperRewards.Aesthetic), Is.EqualTo(1e-4));

    [Test]
    public void WhereNothingWasSearchedItIsTheMiddle()
    {
        var rates = new LearningRates([], s_scale);
        Assert.That(rates.Of(Methods.Ddpo, PaperRewards.Aesthetic), Is.EqualTo(1e-3));
        Assert.That(rates.HighestOf(Methods.Ddpo, PaperRewards.Aesthetic), Is.Null);
        Assert.That(() => Text(rates), Throws.Nothing);
    }

    /// <summary>The action's own search, which the prompts do not bound; the preference has the aesthetic reward's.</summary>
    [Test]
    public void TheActionHasASearchOfItsOwn()
    {
        CellResult[] action = [.. new[] { Run(1e-4, -4, 0.8), Run(1e-2, -1, 0.1) }.Select(run => run with
        {
            Cell = run.Cell with { Reward = PaperRewards.Action },
            Aligned = new Dictionary<string, double> { [PaperRewards.Action] = run.Aligned[PaperRewards.Aesthetic],
                [PaperRewards.TextSimilarity] = run.Aligned[PaperRewards.TextSimilarity] },
        })];
        var rates = new LearningRates([Base(0.8), Run(1e-3, 7, 0.8), .. action], s_scale);
        Assert.That(rates.Of(Methods.Vader, PaperRewards.Action), Is.EqualTo(1e-2));
        Assert.That(rates.Of(Methods.Vader, PaperRewards.Preference), Is.EqualTo(1e-3));
        Assert.That(Text(rates), Does.Contain("**-1.00**, 0.10").And.Contain("| -4.00, 0.80 |").And.Contain("**7.00**, 0.80"));
    }

    private static CellResult Base(double text) => Run(Methods.NoLearning, 4, text, Methods.Base);

    private static CellResult Run(double rate, double reward, double text, string method = Methods.Vader) => new()
    {
        Cell = s_scale.Cell(method, PaperRewards.Aesthetic, 101, rate),
        Curve = [new CurvePoint(128, 1, 1, reward)],
        Aligned = new Dictionary<string, double> { [PaperRewards.Aesthetic] = reward, [PaperRewards.TextSimilarity] = text },
        Unseen = new Dictionary<string, double>(),
        Seconds = 1,
        CpuSeconds = 1,
        Machine = "",
        Commit = "",
    };

    private static string Text(LearningRates rates)
    {
        var page = new Page("title", "question");
        rates.Write(page);
        return PageText.Of(page);
    }
}
