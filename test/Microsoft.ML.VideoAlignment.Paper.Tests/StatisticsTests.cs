using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

public class StatisticsTests
{
    /// <summary>Student's t, five numbers: 2.776 * s / sqrt(5) with s = sqrt(2.5).</summary>
    [Test]
    public void TheIntervalOfAMeanIsStudents()
    {
        Interval interval = Interval.Of([1, 2, 3, 4, 5]);
        Assert.That(interval.Mean, Is.EqualTo(3));
        Assert.That(interval.HalfWidth, Is.EqualTo(1.9632).Within(0.005));
        Assert.That((interval.Low, interval.High), Is.EqualTo((interval.Mean - interval.HalfWidth, interval.Mean + interval.HalfWidth)));
        Assert.That(interval.ToString(), Is.EqualTo("3.00 ± 1.96"));
    }

    [Test]
    public void OneNumberHasNoInterval()
    {
        Interval interval = Interval.Of([2]);
        Assert.That(interval.HalfWidth, Is.EqualTo(double.PositiveInfinity));
        Assert.That(interval.ToString(1), Is.EqualTo("2.0"));
        Assert.That(() => Interval.Of([]), Throws.ArgumentException);
    }

    [TestCase(1, 0.4, 2, 0.5, false)]
    [TestCase(1, 0.6, 2, 0.5, true)]
    [TestCase(2, 0.5, 1, 0.4, false)]
    [TestCase(1, 5, 1.1, 0.1, true)]
    public void IntervalsOverlapOrDoNot(double mean, double half, double otherMean, double otherHalf, bool overlap) =>
        Assert.That(new Interval(mean, half).Overlaps(new Interval(otherMean, otherHalf)), Is.EqualTo(overlap));

    /// <summary>
    /// 0 and all of n in closed form, 1 - 0.025^(1/n); 5 of 10 and 79 of 100 as R's binom.test prints them.
    /// </summary>
    [TestCase(0, 10, 0, 0.3084971)]
    [TestCase(10, 10, 0.6915029, 1)]
    [TestCase(0, 1, 0, 0.975)]
    [TestCase(5, 10, 0.1870860, 0.8129140)]
    [TestCase(79, 100, 0.6970846, 0.8650563)]
    public void ClopperAndPearson(int wins, int count, double low, double high)
    {
        (double Low, double High) interval = Binomial.Interval(wins, count);
        Assert.That(interval.Low, Is.EqualTo(low).Within(2e-7));
        Assert.That(interval.High, Is.EqualTo(high).Within(2e-7));
    }

    /// <summary>What makes the interval exact: at either end the tail is a fortieth.</summary>
    [Test]
    public void TheTailsOfTheExactIntervalAreWhatItSays([Values(1, 7, 30, 59)] int wins)
    {
        (double low, double high) = Binomial.Interval(wins, 60);
        Assert.That(1 - Binomial.AtMost(wins - 1, 60, low), Is.EqualTo(0.025).Within(1e-9));
        Assert.That(Binomial.AtMost(wins, 60, high), Is.EqualTo(0.025).Within(1e-9));
        (double narrowLow, double narrowHigh) = Binomial.Interval(wins, 60, confidence: 0.5);
        Assert.That(narrowLow, Is.GreaterThan(low));
        Assert.That(narrowHigh, Is.LessThan(high));
    }

    [TestCase(-1, 10)]
    [TestCase(11, 10)]
    [TestCase(0, 0)]
    public void AShareOfNothingIsRefused(int wins, int count) =>
        Assert.That(() => Binomial.Interval(wins, count), Throws.InstanceOf<ArgumentOutOfRangeException>());
}
