using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A step of DPM-Solver++ whose weights are not all numbers.</summary>
public class DpmSolverStepTests
{
    [Test]
    public void EveryWeightMustBeFinite([Range(0, 4)] int which, [Values(double.NaN, double.NegativeInfinity)] double value)
    {
        double Weight(int at) => at == which ? value : 0.5;
        Assert.That(new DpmSolverStep(3, Weight(0), Weight(1), Weight(2), Weight(3), Weight(4)).IsFinite, Is.False);
        Assert.That(new DpmSolverStep(3, 0.5, 0.5, 0.5, 0.5, 0.5).IsFinite, Is.True);
    }
}
