using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

namespace Microsoft.ML.VideoAlignment.Tests;

public class DifferenceQuotientTests
{
    [Test]
    public void ASmoothFunctionsSlope()
    {
        DifferenceQuotient slope = DifferenceQuotient.Search(x => Math.Exp(2 * x), 1, 1e-2, _ => double.PositiveInfinity);
        Assert.That(slope.Value, Is.EqualTo(2).Within(1e-8), "fourth order: 32 h^4 / 480");
        Assert.That(slope.Disagreement, Is.EqualTo(2 * 4 * 1e-4 / 6 * 0.75).Within(1e-5), "second order");
    }

    /// <summary>|x - 0.005| + x: slope 0 at 0. A step of 0.02 sees the kink, one of 0.002 does not.</summary>
    [Test]
    public void AKinkIsSteppedAround()
    {
        DifferenceQuotient slope = DifferenceQuotient.Search(x => Math.Abs(x - 0.005) + x + 1, 1.005, 2e-2, _ => 1e-9);
        Assert.That(slope.Value, Is.Zero.Within(1e-12));
        Assert.That(slope.Disagreement, Is.LessThan(1e-12));
    }

    /// <summary>|x| + x: both central quotients are 1, whatever the step; the slopes are 0 and 2.</summary>
    [Test]
    public void AKinkAtThePointItselfIsSeen()
    {
        DifferenceQuotient slope = DifferenceQuotient.Search(x => Math.Abs(x) + x, 0, 1e-2, _ => 1e-9);
        Assert.That(slope.Value, Is.EqualTo(1).Within(1e-12));
        Assert.That(slope.Disagreement, Is.EqualTo(2).Within(1e-9));
    }

    /// <summary>Of sqrt|x| no two steps agree.</summary>
    [Test]
    public void WhereThereIsNoSlopeTheStepsDisagree()
    {
        DifferenceQuotient slope = DifferenceQuotient.Search(x => Math.Sign(x) * Math.Sqrt(Math.Abs(x)), 0, 1e-2, _ => 1e-9);
        Assert.That(slope.Disagreement, Is.GreaterThan(1));
    }
}
