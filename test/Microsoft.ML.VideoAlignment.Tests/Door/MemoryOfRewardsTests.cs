using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is estimated of a reward: all it stores, and what scoring holds where its networks are known.</summary>
public class MemoryOfRewardsTests
{
    private static readonly VideoAlignmentOptions s_options = new() { Lora = new() { Rank = 4 }, Reward = new() { Frames = RewardFrames.All } };

    private static readonly Dictionary<string, Func<VideoReward>> s_rewards = new()
    {
        ["aesthetic"] = MovingShapesRewards.Aesthetic,
        ["similarity"] = MovingShapesRewards.TextSimilarity,
        ["preference"] = MovingShapesRewards.Preference,
        ["action"] = () => MovingShapesRewards.Action(),
        ["removal"] = () => MovingShapesRewards.ObjectRemoval("circle"),
        ["consistency"] = MovingShapesRewards.TemporalConsistency,
        ["sum"] = () => (MovingShapesRewards.Aesthetic() * 0.5f) + MovingShapesRewards.Preference(),
    };

    private static IEnumerable<string> Names => s_rewards.Keys;

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = MovingShapesModels.TextToVideo();

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    [TestCaseSource(nameof(Names))]
    public void ItsWeightsAreCountedExactly(string name)
    {
        using VideoReward reward = s_rewards[name]();
        MemoryEstimate with = _model.EstimateMemory(s_options, reward);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(with.Reward, Is.EqualTo(Bytes(reward)).And.Positive);
            Assert.That(with.Peak, Is.EqualTo(with.Weights + with.Reward + with.Adapters + with.Runtime + Largest(with)));
            Assert.That(with.Describe(), Does.Not.Contain("on top").And.Contain("the reward's weights"));
        }
    }

    [Test]
    public void ATextEncoderCountsUntilItIsLetGo()
    {
        using VideoReward reward = MovingShapesRewards.Preference();
        long both = _model.EstimateMemory(s_options, reward).Reward, vision = reward.Networks.SelectMany(network => network.parameters())
            .Sum(weight => weight.numel() * weight.element_size());
        reward.RestrictToPrompts(["a red circle"]);
        long restricted = _model.EstimateMemory(s_options, reward).Reward;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(both, Is.GreaterThan(vision));
            Assert.That(restricted, Is.EqualTo(vision).Within(8), "the temperature, where there is one");
        }
    }

    /// <summary>What reads texts is there while they are encoded and waits in the CPU's memory afterwards; on the CPU that saves nothing.</summary>
    [Test]
    public void OnAGpuTextEncodersAreNotThereTogetherWithTheGraph()
    {
        using VideoReward reward = MovingShapesRewards.Preference() + MovingShapesRewards.Aesthetic();
        MemoryEstimate cpu = MemoryEstimation.EstimateOn(DeviceType.CPU, _model, s_options, reward),
            gpu = MemoryEstimation.EstimateOn(DeviceType.CUDA, _model, s_options, reward);
        long encoder = Sum(_model.Networks["text_encoder"].parameters()), tower = Sum(reward.StoredForPrompts);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(encoder, Is.Positive);
            Assert.That(tower, Is.Positive);
            Assert.That(cpu.Encoding, Is.Zero);
            Assert.That(gpu.Encoding, Is.EqualTo(encoder + tower));
            Assert.That(gpu.Weights, Is.EqualTo(cpu.Weights - encoder));
            Assert.That(gpu.Reward, Is.EqualTo(cpu.Reward - tower));
            Assert.That(gpu.GenerationPeak - gpu.Generation - gpu.Runtime, Is.EqualTo(cpu.GenerationPeak - cpu.Generation - cpu.Runtime),
                "a finished video needs the text encoder again");
            Assert.That(gpu.Describe(), Does.Contain("encoding the prompts"));
        }

        reward.RestrictToPrompts(["a red circle"]);
        Assert.That(MemoryEstimation.EstimateOn(DeviceType.CUDA, _model, s_options, reward).Encoding, Is.EqualTo(encoder), "the tower is gone for good");
    }

    /// <summary>The phase of the peak is that of the texts where the text encoder is larger than all that training holds.</summary>
    [Test]
    public void ATextEncoderThatIsOpenedForThePromptsCounts()
    {
        using VideoDiffusionModel tiny = VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora);
        var options = new VideoAlignmentOptions { Lora = new() { Rank = 2 } };
        var large = new VideoDiffusionModel(tiny.Parts with { Conditioner = new Reopened(tiny.Parts.Conditioner) }); // its networks are the tiny model's
        MemoryEstimate without = tiny.EstimateMemory(options), with = large.EstimateMemory(options);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(without.Encoding, Is.Zero);
            Assert.That(with.Encoding, Is.EqualTo(9_000_000_000));
            Assert.That(with.Peak, Is.EqualTo(with.Weights + with.Reward + with.Adapters + with.Runtime + 9_000_000_000));
            Assert.That(with.PeakPhase, Is.EqualTo("encoding the prompts"));
            Assert.That(with.GenerationPeak, Is.EqualTo(without.GenerationPeak + 9_000_000_000), "generation keeps it open");
        }
    }

    /// <summary>The real networks on real frames, followed in the same way, keep what their shapes keep.</summary>
    [TestCaseSource(nameof(Names))]
    public void ShapesKeepWhatTensorsKeep(string name)
    {
        using VideoReward reward = s_rewards[name]();
        using var shapes = RewardShapes.Create(reward);
        long real = Kept(reward, CPU, "a red circle moving right"), walked = Kept(shapes.Twin, META, "");
        Assert.That(walked, Is.EqualTo(real).Within(2).Percent.And.Positive);
    }

    [Test]
    public void ScoringIsBesideTheGraph()
    {
        using VideoReward reward = MovingShapesRewards.Preference();
        MemoryEstimate none = _model.EstimateMemory(s_options), with = _model.EstimateMemory(s_options, reward);
        long alone;
        using (var shapes = RewardShapes.Create(reward))
        {
            alone = Kept(shapes.Twin, META, "");
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(with.Scoring - none.Scoring, Is.GreaterThan(0.9 * alone));
            Assert.That(with.GradientSteps, Is.EqualTo(none.GradientSteps));
        }
    }

    [Test]
    public void WhatIsNotKnownIsSaid()
    {
        using VideoReward own = TinyModel.Redness();
        using VideoReward mixed = MovingShapesRewards.Aesthetic() + TinyModel.Redness();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_model.EstimateMemory(s_options).Describe(), Does.Contain("no reward was given"));
            Assert.That(_model.EstimateMemory(s_options, own).Describe(), Does.Contain("'redness' is code that is not known here"));
            Assert.That(_model.EstimateMemory(s_options, own).Reward, Is.Zero);
            Assert.That(_model.EstimateMemory(s_options, mixed).Describe(), Does.Contain("'redness' is code").And.Not.Contain("aesthetic"));
            Assert.That(MemoryPlan.Create(_model, s_options, long.MaxValue, own).Describe(), Does.Contain("'redness' is code that is not known here"));
        }
    }

    [Test]
    public void ABudgetThatNothingMeetsNamesRewardAndRuntime()
    {
        using VideoReward reward = MovingShapesRewards.Preference();
        InsufficientMemoryException? error = Assert.Throws<InsufficientMemoryException>(() => MemoryPlan.Create(_model, s_options, 1_000_000, reward));
        long runtime = _model.EstimateMemory(s_options).Runtime;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error!.Message, Does.Contain($"its largest part is the runtime with {MemoryEstimate.InMegabytes(runtime)}"), "of models this small");
            Assert.That(error.Message, Does.Contain($"the reward's weights {MemoryEstimate.InMegabytes(Bytes(reward))}"));
        }
    }

    /// <summary>All that a reward is made of; its loader's own list of weights.</summary>
    private static long Bytes(VideoReward reward) => reward switch
    {
        RewardMix mix => mix.Parts.Sum(part => Bytes(part.Reward)),
        TextImageReward images => Sum(images.Weights),
        HeadReward head => Sum(head.Weights),
        ActionClassificationReward action => Sum(action.Weights),
        ObjectRemovalReward removal => Sum(removal.Weights),
        VJepaReward consistency => Sum(consistency.Weights),
        _ => throw new NotSupportedException(reward.Name),
    };

    private static long Sum(IEnumerable<Tensor> weights) => weights.Sum(weight => weight.numel() * weight.element_size());

    private static long Largest(MemoryEstimate estimate) =>
        new[] { estimate.Sampling, estimate.GradientSteps, estimate.Decode, estimate.Scoring, estimate.Backward, estimate.Validation }.Max();

    /// <summary>Three windows of 8 frames of a video of 16 are a batch of three, where the whole video is two parts of 8: half as much again.</summary>
    [Test]
    public void WindowsAreScoredTogether()
    {
        using VideoReward reward = MovingShapesRewards.TemporalConsistency();
        VideoAlignmentOptions whole = s_options with { Sampling = new() { Frames = 16 } };
        VideoAlignmentOptions windows = whole with { Reward = new() { Frames = RewardFrames.Windows(8, 4) } };
        MemoryEstimate none = _model.EstimateMemory(whole), two = _model.EstimateMemory(whole, reward), three = _model.EstimateMemory(windows, reward);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((three.Scoring - none.Scoring) / (double)(two.Scoring - none.Scoring), Is.EqualTo(1.5).Within(7).Percent);
            Assert.That(three.GradientSteps, Is.EqualTo(two.GradientSteps));
            Assert.That(three.Decode, Is.EqualTo(two.Decode), "each frame is decoded once");
        }
    }

    /// <summary>A conditioner whose text encoder takes 9 GB while texts are encoded.</summary>
    private sealed class Reopened(IConditioner inner) : IConditioner
    {
        public IReadOnlyDictionary<string, nn.Module> Networks => inner.Networks;

        public long ReopenedBytes => 9_000_000_000;

        public Condition Encode(VideoRequest request) => inner.Encode(request);

        public Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode) =>
            inner.EncodeUnconditional(request, conditional, encode);

        public Condition CreateEmpty(int batch, VideoSize size) => inner.CreateEmpty(batch, size);

        public string EncoderText(string prompt, int segment, int segments) => inner.EncoderText(prompt, segment, segments);

        public string RewardText(string prompt, int segments) => inner.RewardText(prompt, segments);

        public int CountTruncated(string prompt, int segments) => inner.CountTruncated(prompt, segments);

        public void Release() => inner.Release();

        public void MoveTo(Device device) => inner.MoveTo(device);

        public void Dispose() => inner.Dispose();
    }

    /// <summary>Bytes that are alive when 8 frames that carry gradient have been scored, weights aside.</summary>
    private static long Kept(VideoReward reward, Device device, string prompt)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frames = full([1, 3, 8, 32, 32], 0.5, device: device).requires_grad_(true);
        using (no_grad())
        {
            reward.Score(frames, [prompt]).Dispose(); // texts are encoded now
        }

        using var meter = new MemoryProfiler([.. reward.Stored.Where(weight => weight.device_type == device.type)], DeviceType.CPU, device.type);
        Tensor score = reward.Score(frames, [prompt]);
        meter.Sample(score, frames);
        return meter.Alive;
    }
}
