using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Wherever the run's own cancellation comes from, Fit returns the weights of the last finished step.</summary>
[NonParallelizable]
public class CancellationTests : RescueFixture
{
    [Test]
    public void ACancellationInTheBackwardPassReturnsTheLastStepsWeights()
    {
        using var source = new CancellationTokenSource();
        int blocks = 0;
        using VideoReward reward = VideoRewards.Custom("recomputed", (frames, _) => Recompute.Run(Score, frames));
        Assert.That(Weights(Options() with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(Options() with { Steps = 2 })));
        Assert.That(blocks, Is.EqualTo(8), "forward and backward of the trial call and of three steps");

        Tensor Score(IReadOnlyList<Tensor> given)
        {
            if (++blocks == 8)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }

            return given[0].mean([1L, 2L, 3L, 4L]);
        }
    }

    /// <summary>
    /// In the second of three micro-batches; where videos are made before all of them, with the last score, after which nothing more is sampled.
    /// </summary>
    [TestCaseSource(nameof(Algorithms))]
    public void ACancellationBetweenMicroBatchesReturnsTheLastStepsWeights(AlignmentAlgorithm algorithm)
    {
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = Options() with { AccumulationSteps = 3, Algorithm = algorithm };
        var calls = new List<int>();
        int cancelAt = int.MaxValue, call = 0;
        ScriptedReward Counting() => new()
        {
            Scoring = () =>
            {
                if (++call == cancelAt)
                {
                    source.Cancel();
                }
            },
        };
        byte[] expected = Weights(options with { Steps = 2 });
        Weights(options with { Steps = 3, Progress = new ProgressCallback(_ => calls.Add(call)) }, Counting());
        Assert.That(calls[2], Is.GreaterThan(calls[1]), "the third step scores videos of its own");
        cancelAt = algorithm.NeedsRewardGradient ? calls[1] + 2 : calls[2];
        call = 0;
        Assert.That(Weights(options with { CancellationToken = source.Token }, Counting()), Is.EqualTo(expected));
        Assert.That(call, Is.EqualTo(cancelAt), "it was canceled, and no more was scored");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void ACancellationInAHeldOutMeasurementReturnsTheLastStepsWeights(bool throws)
    {
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = Options() with { HeldOutPrompts = ["unseen", "unseen too", "and one more"], HeldOutEvery = 2, EmaDecay = 0.5 };
        var reward = new ScriptedReward
        {
            ThrowHeldOut = _ =>
            {
                source.Cancel();
                return throws ? new OperationCanceledException() : null;
            },
        };
        Assert.That(Weights(options with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(options with { Steps = 2, HeldOutPrompts = [] })));
        Assert.That(reward.HeldOutCalls, Is.EqualTo(1), "the rest of the measurement is not waited for");
    }

    [Test]
    public void ACallbackThatPassesTheRunsCancellationOnEndsTheRunAsCanceled()
    {
        using var source = new CancellationTokenSource();
        ProgressCallback progress = new(step =>
        {
            if (step.Step == 2)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
        });
        Assert.That(Weights(Options() with { CancellationToken = source.Token, Progress = progress }), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }

    /// <summary>As a task that is waited for hands it on.</summary>
    [Test]
    public void TheRunsCancellationCountsInsideAnAggregateToo()
    {
        using var source = new CancellationTokenSource();
        var reward = new ScriptedReward
        {
            Throw = call =>
            {
                if (call < 4)
                {
                    return null;
                }

                source.Cancel();
                return new AggregateException(new TaskCanceledException());
            },
        };
        Assert.That(Weights(Options() with { CancellationToken = source.Token }, reward), Is.EqualTo(Weights(Options() with { Steps = 2 })));
    }
}
