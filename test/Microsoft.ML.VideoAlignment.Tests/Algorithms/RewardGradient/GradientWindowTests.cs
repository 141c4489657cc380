using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class GradientWindowTests
{
    private const int Steps = 6;

    private static GradientPlan Resolve(GradientWindow window, int drawn = 0) => window.Resolve(Steps, _ => drawn);

    /// <summary>In the log, in saved alignments and in the examples' tables.</summary>
    [Test]
    public void EveryWindowSaysWhichStepsItMeans() => Assert.That(
        new[]
        {
            GradientWindow.LastSteps(2), GradientWindow.LowVariance(3), GradientWindow.FromStep(4), GradientWindow.RandomStart(), GradientWindow.SingleStep(5),
            GradientWindow.DrTune([0, 2], 3), GradientWindow.Steps(1, 6), GradientWindow.MostSensitive(7),
        }.Select(window => $"{window}"),
        Is.EqualTo(new[]
        {
            "the last 2", "the last step, 3 times", "steps 4 and later", "the steps from a random one on", "step 5, scored there",
            "steps 0, 2, scored at step 3", "steps 1, 6", "the 7 that move the video most",
        }));

    [Test]
    public void LastStepsIsASuffix([Values(1, 2, 6)] int count)
    {
        GradientPlan plan = Resolve(GradientWindow.LastSteps(count));
        Assert.That(plan.GradientSteps, Is.EqualTo(Enumerable.Range(Steps - count, count)));
        Assert.That(plan.Stop, Is.Null);
        Assert.That(Enumerable.Range(0, Steps).Select(step => plan[step].Sampler),
            Is.EqualTo(Enumerable.Range(0, Steps).Select(step => step >= Steps - count)));
    }

    [Test]
    public void CopiesAreOfTheLastStep()
    {
        Assert.That(Resolve(GradientWindow.LowVariance(3)).GradientSteps, Is.EqualTo(new[] { Steps - 1 }));
        Assert.That((GradientWindow.LowVariance(3).Copies, GradientWindow.LastSteps(2).Copies), Is.EqualTo((3, 1)));
        Assert.That(() => GradientWindow.LowVariance(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void RandomStartIsASuffixFromTheDrawnStep([Values(0, 3, 5)] int drawn) =>
        Assert.That(Resolve(GradientWindow.RandomStart(), drawn).GradientSteps, Is.EqualTo(Enumerable.Range(drawn, Steps - drawn)));

    [Test]
    public void SingleStepStopsWhereItGrades()
    {
        GradientPlan plan = Resolve(GradientWindow.SingleStep(4));
        Assert.That(plan.GradientSteps, Is.EqualTo(new[] { 4 }));
        Assert.That(plan.Stop, Is.EqualTo(4));
    }

    [Test]
    public void DrTuneDetachesEveryInputAndKeepsTheSamplersPath()
    {
        GradientPlan plan = Resolve(GradientWindow.DrTune([1, 3], stop: 4));
        Assert.That(plan.GradientSteps, Is.EqualTo(new[] { 1, 3 }));
        Assert.That(Enumerable.Range(0, Steps).All(step => plan[step] is { DetachInput: true, Sampler: true }));
        Assert.That(plan.Stop, Is.EqualTo(4));
    }

    [Test]
    public void ChosenStepsKeepTheInputsGradient()
    {
        GradientPlan plan = Resolve(GradientWindow.Steps(2, 3));
        Assert.That(plan.GradientSteps, Is.EqualTo(new[] { 2, 3 }));
        Assert.That(plan[2].DetachInput, Is.False);
        Assert.That(plan[5], Is.EqualTo(new StepGradient(Network: false, DetachInput: false, Sampler: true)));
    }

    private static IEnumerable<GradientWindow> Impossible() =>
    [
        GradientWindow.LastSteps(0), GradientWindow.LastSteps(7), GradientWindow.FromStep(-1), GradientWindow.FromStep(6), GradientWindow.SingleStep(6),
        GradientWindow.DrTune([], 3), GradientWindow.DrTune([4], 3), GradientWindow.DrTune([1], 6), GradientWindow.Steps(), GradientWindow.Steps(6),
    ];

    [TestCaseSource(nameof(Impossible))]
    public void AWindowOutsideTheRunIsRefused(GradientWindow window) =>
        Assert.That(() => Resolve(window), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("window"));

    /// <summary>Of the 25 official steps of Stable Video Diffusion, from its reference: d(final latents) / d(prediction), later predictions held.</summary>
    [TestCase(0, -0.0003, 5e-5)]
    [TestCase(14, -0.08, 5e-3)]
    [TestCase(16, -0.22, 5e-3)]
    [TestCase(17, -0.29, 5e-3)]
    [TestCase(18, -0.26, 5e-3)]
    [TestCase(20, -0.09, 5e-3)]
    [TestCase(23, -0.006, 5e-4)]
    [TestCase(24, -0.002, 1e-4)]
    public void SensitivityOfTheFinalLatentsIsTheKnownOne(int step, double expected, double within) =>
        Assert.That(StepSensitivity.Compute(SamplerTests.StableVideo(25))[step], Is.EqualTo(expected).Within(within));

    [Test]
    public void TheMostSensitiveStepsAreChosenBySamplerAlone()
    {
        GradientPlan plan = GradientWindow.MostSensitive(3).Resolve(SamplerTests.StableVideo(25), _ => 0);
        Assert.That(plan.GradientSteps, Is.EqualTo(new[] { 16, 17, 18 }));
        Assert.That(Enumerable.Range(0, 25).All(step => plan[step] is { Sampler: true, DetachInput: false }));
        Assert.That(() => GradientWindow.MostSensitive(26).Resolve(SamplerTests.StableVideo(25), _ => 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(GradientWindow.LastSteps(2).Resolve(SamplerTests.StableVideo(25), _ => 0).GradientSteps, Is.EqualTo(new[] { 23, 24 }),
            "other windows as ever");
    }

    /// <summary>
    /// DPM-Solver++ remembers a clean prediction, which the next step uses too: against a run that differs by a small change of one prediction.
    /// </summary>
    [Test]
    public void WhatASamplerRemembersCounts([Values(0, 3, 8, 9)] int step)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SamplerTests.Solver(10);
        double expected = Run(1) - Run(0);
        Assert.That(StepSensitivity.Compute(sampler)[step], Is.EqualTo(expected).Within(1e-9 + (1e-9 * Math.Abs(expected))));

        double Run(double change)
        {
            Tensor x = tensor(new[] { 0.7 });
            var history = new List<Tensor>();
            for (int i = 0; i < 10; i++)
            {
                SamplerStep result = sampler.Step(i, x, tensor(new[] { 0.3 * i + (i == step ? change : 0) }), history, null);
                (x, history) = (result.Sample, [result.Predicted]);
            }

            return x.item<double>();
        }
    }

    [Test]
    public void TheDescriptionTellsEachStepsSensitivityAndWhetherItIsWithGradient()
    {
        using VideoDiffusionModel model = MovingShapesModels.TextToVideo();
        string[] lines = GradientWindow.MostSensitive(2).Describe(model, 5, "DDIMScheduler").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines, Has.Length.EqualTo(6));
        double[] sensitivity = [.. lines.Skip(1)
            .Select(line => double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2], System.Globalization.CultureInfo.InvariantCulture))];
        Assert.That(sensitivity, Has.All.LessThan(0));
        int[] strongest = [.. Enumerable.Range(0, 5).OrderBy(step => sensitivity[step]).Take(2)];
        Assert.That(Enumerable.Range(0, 5).Where(step => lines[step + 1].EndsWith("with gradient", StringComparison.Ordinal)), Is.EquivalentTo(strongest));
        Assert.That(() => GradientWindow.LastSteps(9).Describe(model, 5), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
