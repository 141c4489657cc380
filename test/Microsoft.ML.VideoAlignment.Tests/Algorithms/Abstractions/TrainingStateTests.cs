using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is written when a step is cut short.</summary>
public class TrainingStateTests
{
    /// <summary>Between the update and the next boundary the parts do not belong together.</summary>
    [Test]
    public void BetweenTwoBoundariesNothingIsWritten()
    {
        using var temporary = new TemporaryFolder();
        using RunFolder folder = RunFolder.Open(temporary.Path("run"), static _ => { });
        using var state = new TrainingState(folder, every: 1, seed: 1);
        state.AddPerStep("part", new Part());
        state.MarkBoundary(1);
        state.DiscardBoundary();
        state.Write();
        Assert.That(States(), Is.Empty);

        state.MarkBoundary(2);
        state.Write();
        Assert.That(States(), Has.Length.EqualTo(1));

        string[] States() => Directory.GetFiles(temporary.Path("run"), "state-*");
    }

    private sealed class Part : IResumable
    {
        public void Save(StateWriter state) => state.Write("number", 1);

        public void Load(StateReader state)
        {
        }
    }
}
