using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Schedules of the learning rate, and runs that follow them.</summary>
public class LearningRateScheduleTests
{
    /// <summary>Numbers of diffusers.optimization's schedules, whose steps are counted from 0.</summary>
    private static IEnumerable<TestCaseData> References() =>
    [
        new(LearningRateSchedule.Constant(), 3, (double[])[1, 1, 1]),
        new(LearningRateSchedule.Constant(4), 6, (double[])[0, 0.25, 0.5, 0.75, 1, 1]),
        new(LearningRateSchedule.Linear(), 4, (double[])[1, 0.75, 0.5, 0.25]),
        new(LearningRateSchedule.Linear(2), 6, (double[])[0, 0.5, 1, 0.75, 0.5, 0.25]),
        new(LearningRateSchedule.Cosine(), 3, (double[])[1, 0.75, 0.25]),
        new(LearningRateSchedule.Cosine(2), 6, (double[])[0, 0.5, 1, 0.8535533905932737, 0.5, 0.14644660940672627]),
        new(LearningRateSchedule.Linear(3), 3, (double[])[0, 1 / 3.0, 2 / 3.0]),
    ];

    [TestCaseSource(nameof(References))]
    public void FactorsAreTheReferences(LearningRateSchedule schedule, int steps, double[] expected) =>
        Assert.That(Enumerable.Range(1, steps).Select(step => schedule.GetFactor(step, steps)), Is.EqualTo(expected).AsCollection.Within(1e-15));

    [Test]
    public void WhatIsNoStepIsRefused()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => LearningRateSchedule.Cosine(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => LearningRateSchedule.Constant().GetFactor(0, 3), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => LearningRateSchedule.Constant().GetFactor(1, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void AfterTheEndADecayStaysAtNothing()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(LearningRateSchedule.Linear(1).GetFactor(7, 4), Is.Zero);
            Assert.That(LearningRateSchedule.Cosine(1).GetFactor(7, 4), Is.Zero.Within(1e-15));
            Assert.That(LearningRateSchedule.Constant(1).GetFactor(7, 4), Is.EqualTo(1));
        }
    }

    [Test]
    public void SchedulesOfEqualPartsAreEqual()
    {
        LearningRateSchedule once = LearningRateSchedule.Linear(2), again = LearningRateSchedule.Linear(2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(once, Is.EqualTo(again));
            Assert.That(LearningRateSchedule.Linear(2), Is.Not.EqualTo(LearningRateSchedule.Linear(3)));
            Assert.That(LearningRateSchedule.Linear(2), Is.Not.EqualTo(LearningRateSchedule.Cosine(2)));
            Assert.That($"{LearningRateSchedule.Cosine(2)}", Is.EqualTo("cosine after 2 steps of warm-up"));
        }
    }

    /// <summary>A warm-up that the run does not outlast is a slip: its learning rate would never be reached.</summary>
    [Test]
    public void AWarmUpLongerThanTheRunIsRefused() =>
        Assert.That(
            new OptimizerOptions { Steps = 10, Schedule = LearningRateSchedule.Cosine(11) }.Faults(),
            Is.EqualTo(new[]
            {
                "Optimizer.Schedule.WarmUpSteps must be at most Steps, 10: with a longer warm-up the run never has its learning rate, got 11.",
            }));

    [Test]
    public void NoScheduleIsRefused() =>
        Assert.That(new OptimizerOptions { Schedule = null! }.Faults(), Has.Count.EqualTo(1).And.One.Contains("Optimizer.Schedule must be"));

    /// <summary>Without a gradient only the decay moves a weight: by the rate of each step.</summary>
    [TestCase(OptimizerState.Full)]
    [TestCase(OptimizerState.EightBit)]
    public void EachStepHasItsRate(OptimizerState state)
    {
        const int Steps = 4;
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward redness = TinyModel.Redness();
        TrainerSettings settings = TinyModel.Settings(Steps) with { LearningRate = 0.3, WeightDecay = 0.5, OptimizerState = state };
        settings = settings with { Optimizer = settings.Optimizer with { Schedule = LearningRateSchedule.Linear(1) } };
        using var trainer = settings.Trainer(model, redness, adapters);
        (string name, Tensor inert) = adapters.NamedFactors.First();
        Tensor start = inert.detach().clone();
        double[] rates = [0, 0.3, 0.2, 0.1];
        double left = 1;
        for (int step = 1; step <= Steps; step++)
        {
            foreach (Tensor factor in adapters.Parameters.Skip(1))
            {
                factor.grad = ones_like(factor);
            }

            trainer.Update(step, reward: 0, loss: 0);
            left *= 1 - (rates[step - 1] * 0.5);
            Assert.That(inert.allclose(start * left, rtol: 1e-5, atol: 0), $"{name}, step {step}");
        }
    }

    /// <summary>The first step of a warm-up moves nothing: that is not taken for a gradient that is lost.</summary>
    [Test]
    public void TheFirstStepOfAWarmUpIsNotTakenForALostGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        (List<string> plain, List<string> warmedUp) = ([], []);
        Train(LearningRateSchedule.Constant(), plain);
        Train(LearningRateSchedule.Constant(1), warmedUp);
        Assert.That(warmedUp, Is.EqualTo(plain));

        void Train(LearningRateSchedule schedule, List<string> warnings)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using VideoReward redness = TinyModel.Redness();
            TrainerSettings settings = TinyModel.Settings(steps: 4);
            using var trainer = (settings with { Optimizer = settings.Optimizer with { Schedule = schedule } }).Trainer(model, redness, adapters);
            trainer.Train(["a red circle"], warn: warnings.Add);
        }
    }

    [Test]
    public void ProgressHasTheRateOfItsStep()
    {
        var rates = new List<double>();
        RunCase.Named("last-step scheduled").Fit(folder: null, control: new RunControl { Progress = new Rates(rates) });
        Assert.That(rates, Is.EqualTo(new[] { 0, 0.05, 0.0452254, 0.0327254, 0.0172746, 0.0047746 }).AsCollection.Within(1e-6));
    }

    private sealed class Rates(List<double> rates) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => rates.Add(value.LearningRate);
    }
}
