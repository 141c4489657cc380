using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.Ddpo;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

[NonParallelizable]
public class DdpoTrainerTests
{
    private static readonly VideoPrompt[] s_prompts = ["a red circle", "a blue square", "a horse", "a green cross"];

    [Test]
    public void BeforeTheFirstUpdateNewAndOldPolicyAreOne()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        List<double[]> ratios = [];
        Run(model, TinyModel.Redness(), Settings(steps: 2, batch: 2), (step, _) => ratios.Add(Values(step.Terms.Ratio)));
        Assert.That(ratios, Has.Count.EqualTo(6), "3 denoising steps an optimizer step");

        // Two batches of one video round differently; what an update does is far more.
        double Largest(IEnumerable<IEnumerable<double>> some) => some.SelectMany(ratio => ratio).Max(ratio => Math.Abs(ratio - 1));
        (double before, double after) = (Largest(ratios.Take(3)), Largest(ratios.Skip(3)));
        TestContext.Out.WriteLine($"{before:e1} before the update, {after:e1} after it");
        Assert.That(before, Is.LessThan(1e-4));
        Assert.That(after, Is.GreaterThan(20 * before).And.GreaterThan(1e-5), "the update changed it");
    }

    [Test]
    public void EveryVideoOfABatchCanBeAtItsOwnTime()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = TinyModel.Load();
        OwnTimes.Check(model, TinyModel.Settings().Sampling);
    }

    /// <summary>Each part is a number, and their weighted sum is none.</summary>
    [Test]
    public void ASumThatOverflowsIsSaidWithItsPrompt()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        using VideoReward huge = VideoRewards.Mix([(VideoRewards.Custom("huge", (frames, _) =>
            frames.mean([1, 2, 3, 4]).to(ScalarType.Float64) + 1e300, new RewardContract { IsDifferentiable = false }), 1e30f)]);
        using var trainer = Settings(steps: 1, batch: 1).DdpoTrainer(model, huge, adapters);
        Exception? error = Assert.Catch(() => trainer.Train(s_prompts));
        Assert.That(error!.Message, Does.Contain("huge").And.Contains("video of prompt 'a "));
    }

    [Test]
    public void VideosThatScoreAlikeTeachNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        VideoReward flat = VideoRewards.Custom("flat", (frames, _) => frames.new_ones(frames.shape[0]), new RewardContract { IsDifferentiable = false });
        using var trainer = Settings(steps: 4, batch: 1).DdpoTrainer(model, flat, adapters);
        var norms = new List<double>();
        trainer.Train(s_prompts, step => norms.Add(step.Update.GradientNorm));
        Assert.That(norms, Is.EqualTo(new double[4]));
    }

    /// <summary>Scores that differ by as much as float32 rounds them by give no step, and one line says why; those that differ by more do.</summary>
    [TestCase(0.5, 0, true)]
    [TestCase(0.5, 1e-7, true)]
    [TestCase(20, 1e-5, true)]
    [TestCase(0.5, 1e-3, false)]
    [TestCase(1e-4, 1e-7, false)]
    public void DifferencesOfRoundingTeachNothing(double score, double apart, bool alike)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        foreach ((bool perPrompt, bool normalize) in new[] { (false, true), (true, false) })
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using VideoReward reward = VideoRewards.Mix([(VideoRewards.Custom("nearly flat", (frames, _) =>
                (frames.mean([1, 2, 3, 4]).sin() * apart) + score, new RewardContract { IsDifferentiable = false }), 3f)], normalize);
            TrainerSettings settings = Settings(steps: 2, batch: 2);
            settings = settings with { WeightDecay = 0.1, Ddpo = settings.Ddpo with { PerPromptAdvantages = perPrompt } };
            using var trainer = settings.DdpoTrainer(model, reward, adapters);
            IReadOnlyDictionary<string, Tensor> before = adapters.StateDict();
            var warnings = new List<string>();
            trainer.Train(s_prompts, warn: warnings.Add);
            bool moved = adapters.StateDict().Any(pair => !pair.Value.equal(before[pair.Key]).all().ToBoolean());
            Assert.That(moved, Is.EqualTo(!alike), $"per prompt {perPrompt}, normalized {normalize}");
            Assert.That(warnings.Count(warning => warning.Contains("DDPO learns from differences", StringComparison.Ordinal)), Is.EqualTo(alike ? 1 : 0));
        }
    }

    /// <summary>At a ratio of 1 the gradient is -A times that of the log-probability, so scores the other way round turn it round.</summary>
    [Test]
    public void ALossToLowerTurnsTheGradientRound()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        IReadOnlySet<string> inert = new HashSet<string>();
        Dictionary<string, Tensor> up = Gradient(RewardLoss.Maximize()), down = Gradient(RewardLoss.Minimize());
        foreach ((string name, Tensor gradient) in up.Where(pair => pair.Key.EndsWith("lora_B.weight", StringComparison.Ordinal)))
        {
            double scale = gradient.abs().max().ToDouble();
            Assert.That(scale, inert.Contains(name) ? Is.Zero : Is.GreaterThan(0), name);
            Assert.That((gradient + down[name]).abs().max().ToDouble(), Is.LessThanOrEqualTo(1e-3 * scale), name);
        }

        Dictionary<string, Tensor> Gradient(RewardLoss loss)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using var trainer = (Settings(batch: 2, accumulation: 2) with { Loss = loss }).DdpoTrainer(model, TinyModel.Redness(), adapters);
            using RolloutBuffer epoch = Collected(trainer, model, loss);
            trainer.Backward(epoch);
            inert = adapters.InertFactors;
            return adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => pair.Factor.grad!.clone());
        }
    }

    /// <summary>The point of it all: what scored better becomes more probable, and what scored worse less.</summary>
    [Test]
    public void AnUpdateMakesTheBetterVideoMoreProbable()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        var seen = new List<double[]>();
        var settings = Settings(batch: 2, options: new DdpoOptions { ClipRange = 1, PerPromptAdvantages = false, InnerEpochs = 2 })
            with
        { LearningRate = 1e-4, WeightDecay = 0 };
        using var trainer = settings.DdpoTrainer(model, TinyModel.Redness(), adapters, step => seen.Add(Values(step.Terms.Ratio)));
        using PolicySamples samples = Sampled(trainer, model, videos: 2);
        int[] steps = [0, 1, 2];
        using RolloutBuffer epoch = trainer.Begin(samples, [1, -1], [1, 0], Enumerable.Repeat(new MinibatchOrder([0, 1], [steps, steps]), 2));
        trainer.Backward(epoch);
        trainer.Update(1, 0, 0);
        trainer.Backward(epoch);
        Assert.That(epoch.IsExhausted);
        (double better, double worse) = (seen.Skip(3).Average(ratio => ratio[0]), seen.Skip(3).Average(ratio => ratio[1]));
        Assert.That(better, Is.GreaterThan(1 + 1e-5));
        Assert.That(worse, Is.LessThan(1 - 1e-5));
    }

    [Test]
    public void EveryWalkTakesEachStepOfEachVideoOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using var draws = new TrainingRandom(s_prompts, 7);
        MinibatchOrder[] orders = [MinibatchOrder.Draw(draws, 6, 5), MinibatchOrder.Draw(draws, 6, 5)];
        var condition = new Condition { Text = zeros(6, 1, 1), Size = TinyModel.Size };
        using var epoch = new RolloutBuffer(new PolicySamples(zeros(6, 6, 1), zeros(6, 5), condition, null), new double[6], new double[6], orders, batchSize: 2,
            trainedSteps: 5);
        var batches = new List<PolicyMicroBatch>();
        while (!epoch.IsExhausted)
        {
            batches.Add(epoch.Dequeue());
        }

        (int, int)[][] walks = [.. batches.Chunk(15).Select(walk => walk.SelectMany(batch => batch.Rows.Zip(batch.Steps)).ToArray())];
        Assert.That(walks, Has.Length.EqualTo(2));
        Assert.That(walks[0], Is.Unique.And.Length.EqualTo(30));
        Assert.That(walks[1], Is.EquivalentTo(walks[0]).And.Not.EqualTo(walks[0]));
    }

    [Test]
    public void WorkIsCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        var options = new DdpoOptions { TimestepFraction = 0.7, TrainWithGuidance = false, InnerEpochs = 2 };
        using var trainer = Settings(steps: 5, batch: 2, options: options).DdpoTrainer(model, TinyModel.Redness(), adapters);
        trainer.Train(s_prompts);

        // A rollout of 4 videos, 3 steps, 2 branches; 2 x 2 optimizer steps of 2 videos, 2 of 3 steps, 1 branch. The fifth begins another rollout.
        Assert.That(trainer.Work.RewardQueries, Is.EqualTo(8));
        Assert.That(trainer.Work.DenoiserEvaluations, Is.EqualTo((2 * 4 * 3 * 2) + (5 * 2 * 2)));
    }

    private static TrainerSettings Settings(int steps = 2, int batch = 1, int accumulation = 1, DdpoOptions? options = null) =>
        TinyModel.Settings(steps, batch, accumulation) with { Ddpo = options ?? new DdpoOptions { PerPromptAdvantages = false } };

    private static void Run(VideoDiffusionModel model, VideoReward reward, TrainerSettings settings, Action<PolicyMicroStep, int> look)
    {
        using LoraAdapters adapters = TinyModel.Adapt(model);
        int count = 0;
        using var trainer = settings.DdpoTrainer(model, reward, adapters, step => look(step, count++));
        trainer.Train(s_prompts);
    }

    private static RolloutBuffer Collected(DdpoTrainer trainer, VideoDiffusionModel model, RewardLoss loss)
    {
        double[] scores = [0.5, 0.1, 0.3, 0.4];
        double[] worth = [.. scores.Select(score => -loss.Compute(tensor(score)).ToDouble())];
        int[][] steps = [.. Enumerable.Repeat(new[] { 2, 0, 1 }, 4)];
        return trainer.Begin(Sampled(trainer, model, videos: 4), trainer.Advantages(["a", "b", "a", "b"], worth), scores,
            [new MinibatchOrder([3, 1, 0, 2], steps)]);
    }

    private static PolicySamples Sampled(DdpoTrainer trainer, VideoDiffusionModel model, int videos)
    {
        using var generator = new Generator(4);
        long[] shape = model.LatentShape(videos, TinyModel.Size);
        Condition Of(string text) => model.Encode(
            new VideoRequest { Prompts = [.. Enumerable.Repeat(text, videos)], Size = TinyModel.Size, Noise = _ => throw new InvalidOperationException() });
        return trainer.Sample(new SegmentInputs
        {
            Condition = Of("a red circle"),
            Unconditional = Of(""),
            Start = randn(shape, generator: generator),
            Noise = _ => randn(shape, generator: generator),
            Plan = GradientPlan.None(trainer.StepCount),
        });
    }

    private static double[] Values(Tensor numbers) => [.. numbers.detach().to_type(ScalarType.Float64).data<double>().ToArray()];
}
