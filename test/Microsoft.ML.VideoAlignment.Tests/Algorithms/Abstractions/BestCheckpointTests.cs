using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Which of several measurements is the best.</summary>
public class BestCheckpointTests
{
    /// <summary>A validation that only equals the best is not progress: patience runs out.</summary>
    [TestCase(ScoreDirection.HigherIsBetter, new[] { 1.0, 2, 2, 1.5 }, 2, 2)]
    [TestCase(ScoreDirection.LowerIsBetter, new[] { 2.0, 1, 1, 1.5 }, 2, 2)]
    [TestCase(ScoreDirection.LowerIsBetter, new[] { 2.0, 1, 0.5 }, 3, 0)]
    public void TheFirstOfEqualsIsKept(ScoreDirection direction, double[] rewards, int best, int since)
    {
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdaptersTests.Attach(network, LoraTargets.AllLayers);
        using var kept = new BestCheckpoint(adapters, direction);
        foreach ((int at, double reward) in rewards.Index())
        {
            kept.Record(at + 1, reward);
        }

        Assert.That((kept.Step, kept.ValidationsWithoutGain), Is.EqualTo(((int?)best, since)));
    }
}
