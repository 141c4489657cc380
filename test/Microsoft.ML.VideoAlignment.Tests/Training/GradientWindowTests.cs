using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Tests;

public class GradientWindowTests
{
    private const int Steps = 6;

    private static GradientPlan Resolve(GradientWindow window, int drawn = 0) => window.Resolve(Steps, _ => drawn);

    [Test]
    public void LastStepsIsASuffix([Values(1, 2, 6)] int count)
    {
        GradientPlan plan = Resolve(GradientWindow.LastSteps(count));
        Assert.That(plan.GradedSteps, Is.EqualTo(Enumerable.Range(Steps - count, count)));
        Assert.That(plan.Stop, Is.Null);
        Assert.That(Enumerable.Range(0, Steps).Select(step => plan[step].Sampler), Is.EqualTo(Enumerable.Range(0, Steps).Select(step => step >= Steps - count)));
    }

    [Test]
    public void RandomStartIsASuffixFromTheDrawnStep([Values(0, 3, 5)] int drawn) =>
        Assert.That(Resolve(GradientWindow.RandomStart(), drawn).GradedSteps, Is.EqualTo(Enumerable.Range(drawn, Steps - drawn)));

    [Test]
    public void SingleStepStopsWhereItGrades()
    {
        GradientPlan plan = Resolve(GradientWindow.SingleStep(4));
        Assert.That(plan.GradedSteps, Is.EqualTo(new[] { 4 }));
        Assert.That(plan.Stop, Is.EqualTo(4));
    }

    [Test]
    public void DrTuneDetachesEveryInputAndKeepsTheSamplersPath()
    {
        GradientPlan plan = Resolve(GradientWindow.DrTune([1, 3], stop: 4));
        Assert.That(plan.GradedSteps, Is.EqualTo(new[] { 1, 3 }));
        Assert.That(Enumerable.Range(0, Steps).All(step => plan[step] is { DetachInput: true, Sampler: true }));
        Assert.That(plan.Stop, Is.EqualTo(4));
    }

    [Test]
    public void ChosenStepsKeepTheInputsGradient()
    {
        GradientPlan plan = Resolve(GradientWindow.Steps(2, 3));
        Assert.That(plan.GradedSteps, Is.EqualTo(new[] { 2, 3 }));
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
}
