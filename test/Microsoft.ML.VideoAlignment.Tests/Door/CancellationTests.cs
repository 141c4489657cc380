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
        using VideoReward reward = VideoRewards.Custom("recomputed", (frames, _) => Recompute.Run(ActivationMemory.Recompute, Score, frames));
        Assert.That(Weights(Options(), reward, control: new RunControl { CancellationToken = source.Token }), Is.EqualTo(Weights(Options(steps: 2))));
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
        VideoAlignmentOptions options = Options() with { Optimizer = Options().Optimizer with { AccumulationSteps = 3 }, Algorithm = algorithm };
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
        byte[] expected = Weights(options with { Optimizer = options.Optimizer with { Steps = 2 } });
        Weights(options with { Optimizer = options.Optimizer with { Steps = 3 } }, Counting(),
            control: new RunControl { Progress = new ProgressCallback(_ => calls.Add(call)) });
        Assert.That(calls[2], Is.GreaterThan(calls[1]), "the third step scores videos of its own");
        cancelAt = algorithm.Definition.NeedsRewardGradient ? calls[1] + 2 : calls[2];
        call = 0;
        Assert.That(Weights(options, Counting(), control: new RunControl { CancellationToken = source.Token }), Is.EqualTo(expected));
        Assert.That(call, Is.EqualTo(cancelAt), "it was canceled, and no more was scored");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void ACancellationInAHeldOutMeasurementReturnsTheLastStepsWeights(bool throws)
    {
        using var source = new CancellationTokenSource();
        VideoAlignmentOptions options = Options() with
        {
            Optimizer = Options().Optimizer with { EmaDecay = 0.5 },
            Validation = Options().Validation with { Prompts = ["unseen", "unseen too", "and one more"], Every = 2 },
        };
        var reward = new ScriptedReward
        {
            ThrowHeldOut = _ =>
            {
                source.Cancel();
                return throws ? new OperationCanceledException() : null;
            },
        };
        Assert.That(Weights(options, reward, control: new RunControl { CancellationToken = source.Token }),
            Is.EqualTo(Weights(options with { Optimizer = options.Optimizer with { Steps = 2 }, Validation = options.Validation with { Prompts = [] } })));
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
        Assert.That(Weights(Options(), control: new RunControl { CancellationToken = source.Token, Progress = progress }),
            Is.EqualTo(Weights(Options(steps: 2))));
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
        Assert.That(Weights(Options(), reward, control: new RunControl { CancellationToken = source.Token }), Is.EqualTo(Weights(Options(steps: 2))));
    }
}
