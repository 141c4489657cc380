using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the loop does for every algorithm besides applying gradients.</summary>
[NonParallelizable]
public class AlignmentTrainerTests
{
    /// <summary>A loss or a score that is not a number stops the step before its gradient is applied, however finite the gradient is.</summary>
    [TestCase(0.5, double.NaN, "the loss")]
    [TestCase(0.5, double.NegativeInfinity, "the loss")]
    [TestCase(double.PositiveInfinity, 0.5, "the score")]
    public void AStepWithoutANumberIsNotApplied(double reward, double loss, string named)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward redness = TinyModel.Redness();
        using var trainer = TinyModel.Settings(steps: 1).Trainer(model, redness, adapters);
        foreach (Tensor factor in adapters.Parameters)
        {
            factor.grad = ones_like(factor);
        }

        IReadOnlyDictionary<string, Tensor> before = adapters.StateDict();
        Assert.That(() => trainer.Update(1, reward, loss), Throws.TypeOf<TrainingStepException>().With.Message.Contains(named));
        Assert.That(adapters.StateDict().All(pair => pair.Value.Equals(before[pair.Key])), "no weight moved");
        trainer.Update(1, 0.5, 0.5);
        Assert.That(adapters.StateDict().All(pair => pair.Value.Equals(before[pair.Key])), Is.False);
    }

    /// <summary>A factor that nothing depends on has a gradient of zero, not none: its weights decay like all others, as torch's do.</summary>
    [TestCase(OptimizerState.Full)]
    [TestCase(OptimizerState.EightBit)]
    public void WhatHasNoGradientDecays(OptimizerState state)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward redness = TinyModel.Redness();
        TrainerSettings settings = TinyModel.Settings(steps: 1) with { LearningRate = 0.25, WeightDecay = 0.5, OptimizerState = state };
        using var trainer = settings.Trainer(model, redness, adapters);
        (string name, Tensor inert) = adapters.NamedFactors.First();
        foreach (Tensor factor in adapters.Parameters.Skip(1))
        {
            factor.grad = ones_like(factor);
        }

        Tensor before = inert.detach().clone();
        trainer.Update(1, 0.5, 0.5);
        Assert.That(inert.allclose(before * 0.875, rtol: 1e-6, atol: 0), name);
    }

    [Test]
    public void TheAverageIsThatOfEveryUpdatesFactors()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        const double decay = 0.25;
        List<IReadOnlyDictionary<string, Tensor>> plain = [Start()];
        Run(TinyModel.Settings(steps: 4), plain);
        List<IReadOnlyDictionary<string, Tensor>> averaged = [];
        IReadOnlyDictionary<string, Tensor> end = Run(TinyModel.Settings(steps: 4) with { EmaDecay = decay }, averaged);
        foreach (string name in end.Keys)
        {
            Tensor mean = plain[0][name];
            for (int update = 1; update <= 4; update++)
            {
                double keep = Math.Min(decay, (1.0 + update) / (10.0 + update));
                mean = (mean * keep) + (plain[update][name] * (1 - keep));
                Assert.That(averaged[update - 1][name].allclose(mean, rtol: 1e-5, atol: 1e-8), name);
            }

            Assert.That(end[name].equal(averaged[^1][name]).all().ToBoolean(), $"{name}: what is left is the average");
        }

        IReadOnlyDictionary<string, Tensor> Start()
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            return adapters.StateDict();
        }

        IReadOnlyDictionary<string, Tensor> Run(TrainerSettings settings, List<IReadOnlyDictionary<string, Tensor>> kept)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using VideoReward reward = TinyModel.Redness();
            using var trainer =
                (settings with { Checkpoint = _ => kept.Add(Kept(adapters)) }).Trainer(model, reward, adapters);
            trainer.Train(["a red circle"]);
            return adapters.StateDict();
        }
    }

    /// <summary>Held-out scores are read from a script: they are asked for without a graph.</summary>
    [TestCase(ScoreDirection.HigherIsBetter, 2)]
    [TestCase(ScoreDirection.LowerIsBetter, 1)]
    public void TheBestIsKeptAndTheRunEndsWhenNothingBetterCame(ScoreDirection direction, int best)
    {
        double[] script = [1, 3, 2, 1, 0, 0];
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        int measured = 0;
        using VideoReward reward = VideoRewards.Custom(
            "scripted", (frames, _) => frames.requires_grad ? frames.mean([1, 2, 3, 4]) : full(frames.shape[0], script[measured++]),
            new RewardContract { Direction = direction });
        var states = new List<IReadOnlyDictionary<string, Tensor>>();
        TrainerSettings settings = TinyModel.Settings(steps: 6) with
        {
            ValidationPrompts = ["a green cross"],
            ValidateEvery = 1,
            KeepBest = true,
            EarlyStopPatience = 2,
            Checkpoint = _ => states.Add(Kept(adapters)),
        };
        using var trainer = settings.Trainer(model, reward, adapters);
        Assert.That(trainer.Train(["a red circle"]), Is.EqualTo(best + 2));
        Assert.That(trainer.StoppedEarly);
        Assert.That(trainer.KeptStep, Is.EqualTo(best));
        IReadOnlyDictionary<string, Tensor> end = adapters.StateDict();
        Assert.That(end.Keys, Has.All.Matches<string>(name => end[name!].equal(states[best - 1][name!]).all().ToBoolean()));
        Assert.That(end.Keys, Has.Some.Matches<string>(name => !end[name!].equal(states[^1][name!]).all().ToBoolean()), "training had moved on");
        Assert.That(trainer.Work.ValidationQueries, Is.EqualTo(best + 2));
        Assert.That(trainer.Work.RewardQueries, Is.EqualTo(2 * (best + 2)));
    }

    /// <summary>One sampler step, so that its input does not depend on the factors: central differences see the whole of the penalty's gradient.</summary>
    [TestCase(null)]
    [TestCase(1)]
    public void ThePenaltyOnLeavingTheBaseModelHasItsGradient(int? framesPerDecode)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        foreach (nn.Module network in model.Networks.Values)
        {
            network.to(ScalarType.Float64);
        }

        using var generator = new Generator(4);
        Dictionary<string, Tensor> direction = adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => randn(pair.Factor.shape, generator: generator));
        Move(0.1);
        TrainerSettings settings = TinyModel.Settings() with { FramesPerDecode = framesPerDecode };
        settings = settings with { Sampling = settings.Sampling with { Steps = 1 } };
        Tensor start = randn(model.LatentShape(1, TinyModel.Size), dtype: ScalarType.Float64, generator: generator);

        double with = Loss(settings with { KlWeight = 7 }, out double slope), without = Loss(settings, out double plain);
        Assert.That(with - without, Is.GreaterThan(1e-4), "the factors have left zero, so there is a distance");
        const double step = 1e-4;
        Move(step);
        double above = Loss(settings with { KlWeight = 7 }, out _);
        Move(-2 * step);
        double below = Loss(settings with { KlWeight = 7 }, out _);
        double numeric = (above - below) / (2 * step);

        // Factors are float32, so a step of 1e-4 is known to three digits.
        Assert.That(slope, Is.EqualTo(numeric).Within(2e-3 * Math.Abs(numeric)));
        Assert.That(Math.Abs(slope - plain), Is.GreaterThan(0.1 * Math.Abs(slope)), "the penalty is a good part of it");

        double Loss(TrainerSettings settings, out double slope)
        {
            using VideoReward reward = TinyModel.Redness();
            using var trainer = settings.Trainer(model, reward, adapters);
            RolloutResult result = trainer.Backward(TinyModel.Fixed(model, ["a red circle"], start, [0, 1, 2], steps: 1, firstWithGradient: 0));
            slope = adapters.NamedFactors.Sum(pair => (pair.Factor.grad! * direction[pair.Name]).sum().ToDouble());
            foreach ((_, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
            {
                factor.grad = null;
            }

            return result.Loss.ToDouble();
        }

        void Move(double by)
        {
            using IDisposable guard = no_grad();
            foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
            {
                factor.add_(direction[name], alpha: by);
            }
        }
    }

    /// <summary>A copy's part of the gradient, by hand: noised with abar of timestep 1, one guided prediction, the clean sample, decoded, scored.</summary>
    [Test]
    public void AFurtherCopyIsNoisedAndDenoisedOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        foreach (nn.Module network in model.Networks.Values)
        {
            network.to(ScalarType.Float64);
        }

        using var generator = new Generator(4);
        using VideoReward reward = TinyModel.Redness();
        TrainerSettings settings = TinyModel.Settings();
        using var trainer = settings.Trainer(model, reward, adapters);
        Tensor Random() => randn(model.LatentShape(1, TinyModel.Size), dtype: ScalarType.Float64, generator: generator);
        Rollout plain = TinyModel.Fixed(model, ["a red circle"], Random(), [0, 2], firstWithGradient: 2);
        Tensor noise = Random();
        RolloutResult result = trainer.Backward(plain);
        Dictionary<string, Tensor> once = TakeGradients(adapters);
        trainer.Backward(plain with { Copies = [() => noise.alias()] });
        Dictionary<string, Tensor> both = TakeGradients(adapters);

        // The file: scaled_linear from 0.00085 to 0.012 over 1000 steps; three DDIM steps with leading spacing end at timestep 0 + steps_offset.
        ISampler sampler = model.PolicyScheduler.CreateSampler(3);
        long timestep = (long)sampler.Timesteps[^1];
        double abar = 1;
        for (int t = 0; t <= timestep; t++)
        {
            double root = Math.Sqrt(0.00085) + ((Math.Sqrt(0.012) - Math.Sqrt(0.00085)) * t / 999);
            abar *= 1 - (root * root);
        }

        Tensor noised = (result.Latents * Math.Sqrt(abar)) + (noise * Math.Sqrt(1 - abar));
        Tensor conditional = model.Predict(noised, timestep, plain.First.Condition), other = model.Predict(noised, timestep, plain.First.Unconditional!);
        Tensor epsilon = other + ((conditional - other) * settings.Sampling.GuidanceScale);
        Tensor clean = (noised - (epsilon * Math.Sqrt(1 - abar))) / Math.Sqrt(abar);
        Tensor frames = (model.Decode(clean, TinyModel.Size.Frames, [0, 2]) / 2 + 0.5).clamp(0, 1);
        (-reward.Score(frames, ["a red circle"]).mean()).backward();
        Dictionary<string, Tensor> copy = TakeGradients(adapters);
        double largest = copy.Values.Max(gradient => gradient.abs().max().ToDouble());
        Assert.That(largest, Is.GreaterThan(1e-9));
        foreach ((string name, Tensor gradient) in both)
        {
            Tensor mean = (once[name] + copy[name]) / 2;
            Assert.That((gradient - mean).abs().max().ToDouble(), Is.LessThan(1e-6 * largest), name);
        }

        Assert.That(trainer.Work.RewardQueries, Is.EqualTo(3));
        Assert.That(trainer.Work.DenoiserEvaluations, Is.EqualTo((6 * 2) + 2));
    }

    /// <summary>The gradients of all factors, which have none afterwards.</summary>
    private static Dictionary<string, Tensor> TakeGradients(LoraAdapters adapters)
    {
        Dictionary<string, Tensor> gradients =
            adapters.NamedFactors.Where(pair => pair.Factor.grad is not null).ToDictionary(pair => pair.Name, pair => pair.Factor.grad!.clone());
        foreach ((_, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            factor.grad = null;
        }

        return gradients;
    }

    /// <summary>
    /// The root of 0 has a slope that is not finite, and times 0 it is not a number: score and loss are finite, and every factor's gradient is not.
    /// </summary>
    [TestCase(0.0, Description = "not a number")]
    [TestCase(1.0, Description = "infinite")]
    public void AGradientThatIsNotFiniteIsNotAppliedThoughTheLossIsFinite(double slope)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        IReadOnlyDictionary<string, Tensor> before = Kept(adapters);
        using var folder = new TemporaryFolder();
        using VideoReward reward = VideoRewards.Custom("root", (frames, _) =>
        {
            Tensor mean = frames.mean([1, 2, 3, 4]);
            return mean + ((mean - mean.detach()) * slope).sqrt();
        });
        using var trainer = (TinyModel.Settings(steps: 2) with { RecoveryFolders = [$"{folder}"] }).Trainer(model, reward, adapters);
        var told = new List<TrainingStep>();
        TrainingStepException failure = Assert.Throws<TrainingStepException>(() => trainer.Train(["a red circle"], told.Add))!;
        Assert.That(failure.Message, Does.Contain("the gradient of ").And.Contain("is not finite"));
        Assert.That(told, Is.Empty, "no step is reported");
        Assert.That(adapters.NamedFactors.Select(pair => pair.Name), Has.Some.Matches<string>(name => failure.Message.Contains($"the gradient of {name}")),
            "a factor is named");
        foreach ((string name, Tensor now) in adapters.StateDict())
        {
            Assert.That(now.equal(before[name]).all().ToBoolean(), $"{name}: nothing is applied");
        }

        Assert.That(adapters.NamedFactors.All(pair => pair.Factor.grad is not { } left || left.count_nonzero().ToInt64() == 0),
            "nothing is left for a later step");
    }

    private static IReadOnlyDictionary<string, Tensor> Kept(LoraAdapters adapters)
    {
        IReadOnlyDictionary<string, Tensor> state = adapters.StateDict();
        foreach (Tensor tensor in state.Values)
        {
            tensor.DetachFromDisposeScope();
        }

        return state;
    }
}
