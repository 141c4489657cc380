using Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

[NonParallelizable]
public class DiffusionDpoTrainerTests
{
    private static readonly VideoPrompt[] s_prompts = ["a red circle", "a blue square", "a horse", "a green cross"];

    /// <summary>Fresh adapters say what the reference says: every pair is at the sigmoid's middle, where winner and loser weigh the same.</summary>
    [Test]
    public void AtTheBaseModelSwappingThePairTurnsTheGradientRound()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        Tensor latents = Latents(model, 4);
        IReadOnlySet<string> inert = new HashSet<string>();
        (double loss, Dictionary<string, Tensor> gradient) = Gradient(latents);
        (double swappedLoss, Dictionary<string, Tensor> swapped) = Gradient(latents.roll(2, 0));
        Assert.That(loss, Is.EqualTo(Math.Log(2)).Within(1e-6));
        Assert.That(swappedLoss, Is.EqualTo(loss).Within(1e-6));
        foreach ((string name, Tensor value) in gradient.Where(pair => pair.Key.EndsWith("lora_B.weight", StringComparison.Ordinal)))
        {
            double scale = value.abs().max().ToDouble();
            Assert.That(scale, inert.Contains(name) ? Is.Zero : Is.GreaterThan(0), name);
            Assert.That((value + swapped[name]).abs().max().ToDouble(), Is.LessThanOrEqualTo(1e-3 * scale), name);
        }

        (double Loss, Dictionary<string, Tensor> Gradient) Gradient(Tensor pairs)
        {
            using LoraAdapters adapters = TinyModel.Adapt(model);
            using var trainer = Settings(batch: 2).DiffusionDpoTrainer(model, TinyModel.Redness(), adapters);
            double loss = trainer.Backward(Batch(model, pairs));
            inert = adapters.InertFactors;
            return (loss, adapters.NamedFactors.ToDictionary(pair => pair.Name, pair => pair.Factor.grad!.clone()));
        }
    }

    [Test]
    public void LearningPrefersTheWinnersAndLeavesTheReferenceAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        PreferenceBatch batch = Batch(model, Latents(model, 4));
        var accuracy = new List<double>();
        var references = new List<Tensor>();
        using var trainer = Settings(batch: 2).DiffusionDpoTrainer(model, TinyModel.Redness(), adapters, Look);
        var losses = new List<double>();
        for (int step = 1; step <= 8; step++)
        {
            losses.Add(trainer.Backward(batch));
            trainer.Update(step, 0, 0);
        }

        Assert.That(losses[^1], Is.LessThan(0.9 * losses[0]), string.Join(", ", losses));
        Assert.That(accuracy[^1], Is.EqualTo(1));
        Assert.That(references[^1].equal(references[0]).all().ToBoolean(), Is.True, "the base model, bit for bit");

        void Look(PreferenceMicroStep step)
        {
            accuracy.Add(step.Terms.Accuracy.ToDouble());
            references.Add(step.Reference.clone().MoveToOtherDisposeScope(scope));
        }
    }

    [Test]
    public void PairsWithoutAWinnerAreAnError()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        VideoReward flat = VideoRewards.Custom("flat", (frames, _) => frames.new_ones(frames.shape[0]), new RewardContract { IsDifferentiable = false });
        using var trainer = Settings(batch: 2).DiffusionDpoTrainer(model, flat, adapters);
        Assert.That(() => trainer.Train(s_prompts),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'flat'").And.Message.Contains("CandidatesPerPrompt"));
        Assert.That(trainer.Ties, Is.EqualTo(4));
    }

    /// <summary>Scores 1 to 3 in the order of scoring, but the first two alike: of the first prompt no pair.</summary>
    [Test]
    public void TiesAreLeftOutAndCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        int calls = 0;
        VideoReward reward =
            VideoRewards.Custom("in order", (frames, _) => frames.new_ones(1) * Math.Max(2, ++calls), new RewardContract { IsDifferentiable = false });
        var options = new DiffusionDpoOptions { PairsPerRollout = 3 };
        using var trainer = Settings(steps: 2, batch: 1, options: options).DiffusionDpoTrainer(model, reward, adapters);
        var rewards = new List<double>();
        trainer.Train(s_prompts, step => rewards.Add(step.Reward));
        Assert.That(trainer.Ties, Is.EqualTo(1));
        Assert.That(rewards, Is.EquivalentTo(new[] { 3.5, 5.5 }));
        Assert.That(trainer.Work.RewardQueries, Is.EqualTo(6));
    }

    /// <summary>Of four candidates the best and the worst: the pair's mean score says which.</summary>
    [Test]
    public void TheBestAndTheWorstCandidateAreThePair()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        double[] scores = [3, 10, -4, 5];
        int calls = 0;
        VideoReward reward = VideoRewards.Custom("given", (frames, _) => frames.new_ones(1) * scores[calls++], new RewardContract { IsDifferentiable = false });
        var options = new DiffusionDpoOptions { PairsPerRollout = 1, CandidatesPerPrompt = 4, InnerEpochs = 2, SampleFromBaseModel = true };
        using var trainer = Settings(steps: 2, batch: 1, options: options).DiffusionDpoTrainer(model, reward, adapters);
        var rewards = new List<double>();
        trainer.Train(s_prompts, step => rewards.Add(step.Reward));
        Assert.That(rewards, Is.EqualTo(new[] { 3.0, 3.0 }), "(10 - 4) / 2, learned from twice");

        // 4 videos of 3 steps with guidance; then two steps of a pair, by model and reference.
        Assert.That(trainer.Work.DenoiserEvaluations, Is.EqualTo((4 * 3 * 2) + (2 * 4)));
        Assert.That(adapters.Enabled, "as it was before");
    }

    private static TrainerSettings Settings(int steps = 2, int batch = 1, DiffusionDpoOptions? options = null) =>
        TinyModel.Settings(steps, batch) with { DiffusionDpo = options ?? new DiffusionDpoOptions() };

    private static Tensor Latents(VideoDiffusionModel model, int rows)
    {
        using var generator = new Generator(6);
        return randn(model.LatentShape(rows, TinyModel.Size), generator: generator);
    }

    private static PreferenceBatch Batch(VideoDiffusionModel model, Tensor latents) => new(
        latents, Latents(model, 2) * 0.5, [700, 200],
        model.Encode(new VideoRequest { Prompts = ["a red circle", "a horse"], Size = TinyModel.Size, Noise = _ => throw new InvalidOperationException() }));
}
