using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Timesteps that end with the last one.</summary>
public class SpacingTests
{
    /// <summary>1000 / (1000 / 61) is a little more than 61 in float64, and a step more would come before the first timestep.</summary>
    [Test]
    public void TrailingStepsAreAsManyAsAskedFor() => Assert.That(
        Enumerable.Range(1, 1000).Where(count =>
            Spacing.Trailing(count, 1000, 1000) is var steps && (steps.Length != count || steps[0] != 999 || steps[^1] < 0)),
        Is.Empty);

    /// <summary>From a timestep on, those at or before it: numpy's arange(last, 0, -stride).</summary>
    [TestCase(10, 500, new[] { 499.0, 399, 299, 199, 99 })]
    [TestCase(4, 600, new[] { 599.0, 349, 99 })]
    public void TrailingStepsMayBeginLater(int count, int last, double[] expected) => Assert.That(Spacing.Trailing(count, 1000, last), Is.EqualTo(expected));
}
