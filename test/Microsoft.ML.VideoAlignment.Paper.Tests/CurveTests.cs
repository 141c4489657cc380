using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

public class CurveTests
{
    private static readonly CurvePoint[] s_curve = [new(0, 0, 0, 5), new(32, 3, 2, 6), new(64, 6, 4, 8)];

    [TestCase(-1, 5)]
    [TestCase(0, 5)]
    [TestCase(16, 5.5)]
    [TestCase(48, 7)]
    [TestCase(1000, 8)]
    public void BetweenMeasurementsTheCurveIsStraight(double queries, double reward) =>
        Assert.That(CurvePoint.At(s_curve, Sample.Queries, queries), Is.EqualTo(reward).Within(1e-12));

    [TestCase(5, 0.0)]
    [TestCase(5.5, 1.0)]
    [TestCase(7, 3.0)]
    public void ALevelIsReachedWhereTheCurveMeetsIt(double level, double cpuSeconds) =>
        Assert.That(CurvePoint.Reaches(s_curve, Sample.CpuSeconds, level), Is.EqualTo(cpuSeconds).Within(1e-12));

    [Test]
    public void ALevelAboveTheCurveIsNeverReached() => Assert.That(CurvePoint.Reaches(s_curve, Sample.Queries, 8.1), Is.Null);

    /// <summary>The first step compiles, the third measures: both count as the others took.</summary>
    [Test]
    public void MeasurementsAndTheFirstStepDoNotCountAsTraining()
    {
        var clock = new TrainingClock(cycle: 1);
        clock.Add(5, 4, 8, null);
        clock.Add(6, 4.5, 16, null);
        clock.Add(16, 9, 24, 7.5);
        clock.Add(17, 9.5, 32, null);
        Assert.That(clock.Curve(), Is.EqualTo(new[] { new CurvePoint(24, 3, 1.5, 7.5) }));
        Assert.That(clock.Total(), Is.EqualTo((4.0, 2.0)));
    }

    /// <summary>Steps that make videos are not compared with steps that do not.</summary>
    [Test]
    public void StepsOfACycleAreOfTwoKinds()
    {
        var clock = new TrainingClock(cycle: 2);
        double[] took = [9, 1, 4, 3, 4, 1, 4, 3];
        (double elapsed, int queries) = (0, 0);
        for (int at = 0; at < took.Length; at++)
        {
            elapsed += took[at];
            queries += at % 2 == 0 ? 16 : 0;
            clock.Add(elapsed, elapsed, queries, at is 3 or 7 ? 1 : null);
        }

        Assert.That(clock.Total().Seconds, Is.EqualTo(4 * (4 + 1)));
        Assert.That(clock.Curve().Select(point => (point.Queries, point.Seconds)), Is.EqualTo(new[] { (32, 10.0), (64, 20.0) }));
    }

    [Test]
    public void WhereEveryStepMeasuresTheirTimeStands()
    {
        var clock = new TrainingClock(cycle: 1);
        clock.Add(2, 2, 8, 1);
        Assert.That(clock.Total(), Is.EqualTo((2.0, 2.0)));
    }
}
