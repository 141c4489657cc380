namespace Microsoft.ML.VideoAlignment.Tests;

public class ProgressLinesTests
{
    private static readonly VideoAlignmentProgress s_step = new()
    {
        Step = 3,
        Steps = 10,
        Reward = 0.12345,
        Loss = 1,
        GradientNorm = 2.5,
        RewardQueries = 12,
        Elapsed = TimeSpan.FromSeconds(6),
    };

    [Test]
    public void EachStepIsALineInEveryCulture()
    {
        using var writer = new StringWriter { NewLine = "\n" };
        var lines = new ProgressLines(writer);
        Cultures.Under("de-DE", () =>
        {
            lines.Report(s_step);
            lines.Report(s_step with { Step = 4, ValidationReward = 0.5, Elapsed = TimeSpan.FromHours(4) });
            return 0;
        });

        Assert.That(writer.ToString(), Is.EqualTo(
            "step 3/10  reward 0.123  gradient 2.500  2.0 s/step  0:14 left\n"
                + "step 4/10  reward 0.123  gradient 2.500  3600.0 s/step  6:00:00 left  validation reward 0.500\n"));
    }

    [Test]
    public void ASkippedStepIsSaid() =>
        Assert.That(
            ProgressLines.Format(s_step with { Skipped = true, GradientNorm = double.NaN }), Does.Contain("gradient NaN").And.EndsWith(" left  skipped"));

    [Test]
    public void AWriterIsNeeded() => Assert.That(() => new ProgressLines(null!), Throws.ArgumentNullException);
}
