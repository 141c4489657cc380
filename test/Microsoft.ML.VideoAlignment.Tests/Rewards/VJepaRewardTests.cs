using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>V-JEPA as a reward, on a network of a few thousand weights; its numbers against the reference are in the conformance cases.</summary>
public class VJepaRewardTests
{
    private static readonly VJepaConfig s_config = new()
    {
        CropSize = 12,
        PatchSize = 4,
        Frames = 4,
        TubeletSize = 2,
        Width = 12,
        Depth = 2,
        Heads = 2,
        MlpWidth = 20,
        PredictorWidth = 8,
        PredictorDepth = 2,
        PredictorMlpWidth = 16,
        MaskTokens = 2,
    };

    private static readonly VJepaOptions s_options = new()
    {
        Frames = 4,
        Heads = 2,
        Masks = [new VJepaMask { Blocks = 2, SpatialScale = (0.2, 0.4) }, new VJepaMask { Blocks = 1, SpatialScale = (0.5, 0.6), TemporalScale = (0.5, 1) }],
    };

    /// <summary>
    /// V-JEPA's own pre-training configuration (facebookresearch/jepa, vith16): eight blocks of .15 of the image, two of .7, over all frames.
    /// </summary>
    [Test]
    public void MasksAreThoseOfThePretraining()
    {
        var mask = new VJepaMask();
        Assert.That((mask.Blocks, mask.AspectRatio, mask.SpatialScale, mask.TemporalScale), Is.EqualTo((8, (0.75, 1.5), (0.15, 0.15), (1.0, 1.0))));
        Assert.That(new VJepaOptions().Masks.Select(each => (each.Blocks, each.SpatialScale, each.AspectRatio)),
            Is.EqualTo(new[] { (8, (0.15, 0.15), (0.75, 1.5)), (2, (0.7, 0.7), (0.75, 1.5)) }));
    }

    [Test]
    public void AVideoScoresAlikeInAnyBatch()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward();
        Tensor frames = SmallRewards.Frames(3, 3, 4, 10, 16);
        float[] together = Values(reward.Score(frames, []));
        for (int row = 0; row < 3; row++)
        {
            Assert.That(Values(reward.Score(frames.narrow(0, row, 1), []))[0], Is.EqualTo(together[row]).Within(1e-5));
        }

        Assert.That(together[0], Is.Not.EqualTo(together[1]).Within(1e-4), "rows differ, so that this test can fail");
    }

    [Test]
    public void AVideoOfTwoClipsScoresTheirMean()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward();
        Tensor frames = SmallRewards.Frames(2, 3, 8, 12, 12);
        Tensor halves = (reward.Score(frames.narrow(2, 0, 4), []) + reward.Score(frames.narrow(2, 4, 4), [])) / 2;
        Assert.That(reward.Score(frames, []).allclose(halves, rtol: 1e-5, atol: 1e-6));
        Assert.That(() => reward.Score(frames.narrow(2, 0, 6), []), Throws.TypeOf<RewardContractException>().With.Message.Contains("multiple of 4"));
        Assert.That(() => reward.Score(frames.narrow(2, 0, 2), []), Throws.TypeOf<RewardContractException>().With.Message.Contains("at least 4 frames"));
    }

    [Test]
    public void ScoringRepeatsAndTrainingDrawsAnew()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward();
        using VJepaReward equal = Reward();
        using VJepaReward other = Reward(s_options with { Seed = 1 });
        Tensor frames = SmallRewards.Frames(2, 3, 4, 12, 12);
        float[] scored = Values(reward.Score(frames, []));
        float[][] first = WithGradient(reward), second = WithGradient(reward);
        Assert.That(Values(reward.Score(frames, [])), Is.EqualTo(scored), "calls with gradient do not change what scoring gives");
        Assert.That(first.Append(scored).Select(score => score[0]), Is.Unique, "each call with gradient has masks of its own");
        Assert.That(second, Is.EqualTo(first), "equal runs are equal");
        Assert.That(WithGradient(equal), Is.EqualTo(first), "and so are equal rewards");
        Assert.That(WithGradient(other), Is.Not.EqualTo(first), "another seed gives other masks");

        float[][] WithGradient(VJepaReward trained)
        {
            trained.BeginTraining();
            return [.. Enumerable.Range(0, 3).Select(_ => Values(trained.Score(frames.clone().requires_grad_(true), [])))];
        }
    }

    [Test]
    public void RecomputedActivationsGiveTheSameGradient([Values(false, true)] bool offload, [Values(false, true)] bool targetGradient)
    {
        using DisposeScope scope = NewDisposeScope();
        VJepaOptions options = s_options with { TargetGradient = targetGradient };
        using VJepaReward plain = Reward(options);
        using VJepaReward recomputed = Reward(options with { RecomputeActivations = !offload, OffloadActivations = offload });
        Assert.That(Gradient(recomputed), Is.EqualTo(Gradient(plain)));
        Assert.That(Gradient(plain).Any(value => value != 0));
    }

    /// <summary>What a run keeps of the model says nothing of the reward.</summary>
    [Test]
    public void ItsLayersRecomputeAsItsOptionsSayWhateverTheScope([Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward(s_options with { RecomputeActivations = recompute });
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Keep : ActivationMemory.Recompute);
        int recomputed = 0;
        using (new BackwardObserver(operation => recomputed += operation == nameof(Recompute) ? 1 : 0))
        {
            Gradient(reward);
        }

        Assert.That(recomputed, recompute ? Is.Positive : Is.Zero);
    }

    [Test]
    public void TheTargetIsAConstantOnlyWhereAskedFor()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward constant = Reward(s_options with { TargetGradient = false });
        using VJepaReward full = Reward();
        Assert.That(Gradient(full), Is.Not.EqualTo(Gradient(constant)).Within(1e-6f));
        Tensor frames = SmallRewards.Frames(1, 3, 4, 12, 12).requires_grad_(true);
        Tensor clips = constant.ToSegments(new PreprocessedFrames(frames));
        Assert.That(constant.RunStages(clips, constant.DrawMasks(0)).Target.Any(target => target.requires_grad), Is.False);
    }

    /// <summary>Both branches, in float64: the L1 distance has corners, which a step of 1e-6 hardly ever meets.</summary>
    [TestCase(1)]
    [TestCase(2)]
    public void FiniteDifferencesAgree(double exponent)
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward(s_options with { LossExponent = exponent }, ScalarType.Float64);
        var masks = reward.DrawMasks(3);
        Tensor frames = SmallRewards.Frames(1, 3, 4, 9, 14).to_type(ScalarType.Float64);
        Tensor leaf = frames.clone().requires_grad_(true);
        Of(leaf).backward();
        using var generator = new Generator(5);
        for (int i = 0; i < 3; i++)
        {
            Tensor direction = randn(frames.shape, dtype: ScalarType.Float64, generator: generator);
            const double Step = 1e-6;
            double slope = (Of(frames + (direction * Step)) - Of(frames - (direction * Step))).item<double>() / (2 * Step);
            Assert.That((leaf.grad! * direction).sum().item<double>(), Is.EqualTo(slope).Within(1e-6 * (1 + Math.Abs(slope))));
        }

        Assert.That(leaf.grad!.norm().item<double>(), Is.GreaterThan(1e-4));

        Tensor Of(Tensor x) => reward.RunStages(reward.ToSegments(new PreprocessedFrames(x)), masks).Score.sum();
    }

    [Test]
    public void WeightsTakeNoGradientAndTheTrialCallPasses()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward();
        RewardContractCheck check = RewardContractCheck.Run(reward, CPU, frames: 1, height: 20, width: 12);
        Assert.That(check.GradientNorm, Is.GreaterThan(1e-6));
        Assert.That(check.Warnings, Is.Empty);
        Assert.That(reward.Weights.All(weight => !weight.requires_grad && weight.grad is null));
        Assert.That(reward.Contract.Describe(), Does.Contain("T >= 4 and a multiple of 4, 7.5 frames per second").And.Contain("12 x 12, stretched, bilinear")
            .And.Contain("of the whole video, expected in -2 .. 0, higher is better"));
    }

    [Test]
    public void LiveTensorsStayFlat([Values(false, true)] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward reward = Reward(s_options with { RecomputeActivations = recompute });
        Gradient(reward);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++)
        {
            Gradient(reward);
        }

        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));
    }

    [Test]
    public void ASavedRewardComesBackFromItsReference()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string file = Write(folder);
        using VideoReward reward = VideoRewards.TemporalConsistency(file, s_options with { Seed = 4 });
        Tensor frames = SmallRewards.Frames(2, 3, 4, 12, 12);
        using VJepaReward expected = Reward(s_options with { Seed = 4 });
        Assert.That(Values(reward.Score(frames, [])), Is.EqualTo(Values(expected.Score(frames, []))));
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(reward.Reference.ToJson()));
        Assert.That(again.Contract, Is.EqualTo(reward.Contract));
        Assert.That(Values(again.Score(frames, [])), Is.EqualTo(Values(reward.Score(frames, []))));
    }

    [Test]
    public void HalfPrecisionIsNearFull([Values(WeightPrecision.Float16, WeightPrecision.BFloat16)] WeightPrecision precision)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string file = Write(folder);
        using VideoReward full = VideoRewards.TemporalConsistency(file, s_options);
        using VideoReward half = VideoRewards.TemporalConsistency(file, s_options with { Precision = precision });
        Tensor frames = SmallRewards.Frames(2, 3, 4, 12, 12);
        Assert.That(((VJepaReward)half).Weights.All(weight => weight.element_size() == 2));
        Assert.That(Values(half.Score(frames, [])), Is.EqualTo(Values(full.Score(frames, []))).Within(0.02));
    }

    [Test]
    public void ContradictionsAreListed()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string file = Write(folder);
        Assert.That(() => VideoRewards.TemporalConsistency(file, VJepaOptions.VitLarge16), Throws.TypeOf<WeightFileException>()
            .With.Message.Contains("Width 1024, the file has 12").And.Message.Contains("Depth 24, the file has 2").And.Message.Contains("PredictorDepth 12"));
        Assert.That(() => VideoRewards.TemporalConsistency(file, s_options with { CropSize = 16 }),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("32 tokens").And.Message.Contains("has 18"));
        Assert.That(() => VideoRewards.TemporalConsistency(file, s_options with { Heads = null }),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("Heads must be given"));
        Assert.That(() => VideoRewards.TemporalConsistency(file, s_options with { Heads = 5 }),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("do not divide"));
        Assert.That(() => VideoRewards.TemporalConsistency(file, s_options with { Frames = 6 }),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("position table has 18"));
        Assert.That(() => VideoRewards.TemporalConsistency(SmallRewards.HeadFile),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("not a V-JEPA file"));
    }

    [Test]
    public void OptionsOutOfRangeAreListed() => Assert.That(
        () => VideoRewards.TemporalConsistency("none",
            new VJepaOptions { Frames = 0, LossExponent = 0, Masks = [new VJepaMask { Blocks = 0, SpatialScale = (0.5, 1.5) }] }),
        Throws.ArgumentException.With.Message.Contains("Frames must be").And.Message.Contains("LossExponent").And.Message.Contains(
            "Masks[0].Blocks").And.Message.Contains("SpatialScale"));

    [Test]
    public void MasksThatLeaveNothingAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward blind = Reward(s_options with { Masks = [new VJepaMask { Blocks = 1, SpatialScale = (1, 1), AspectRatio = (1, 1) }] });
        using VJepaReward clear = Reward(s_options with { Masks = [new VJepaMask { Blocks = 1, SpatialScale = (0.05, 0.05) }] });
        Tensor frames = SmallRewards.Frames(1, 3, 4, 12, 12);
        Assert.That(() => blind.Score(frames, []), Throws.ArgumentException.With.Message.Contains("hid every token"));
        Assert.That(() => clear.Score(frames, []), Throws.ArgumentException.With.Message.Contains("smaller than one patch"));
    }

    /// <summary>A proof of the gradient holds what is constant. V-JEPA's target moves with the frames: cut off, it shows as an error of the gradient.</summary>
    [Test]
    public void ATargetThatIsCutOffIsNotHeldByAProof()
    {
        using DisposeScope scope = NewDisposeScope();
        using VJepaReward cut = Reward(s_options with { TargetGradient = false });
        using var held = new ConstantRecorder();
        Tensor first = SmallRewards.Frames(1, 3, 4, 12, 12), second = first.flip(3);
        float Score(Tensor frames) => held.Run(() => Values(cut.Score(frames, [])))[0];
        Assert.That(Score(first), Is.EqualTo(Values(cut.Score(first, []))[0]));
        Assert.That(Score(second), Is.EqualTo(Values(cut.Score(second, []))[0]), "the target follows the frames");
        Assert.That(Score(second), Is.Not.EqualTo(Score(first)).Within(1e-4), "so that this test can fail");
    }

    private static float[] Gradient(VJepaReward reward)
    {
        using DisposeScope scope = NewDisposeScope();
        reward.BeginTraining();
        Tensor frames = SmallRewards.Frames(2, 3, 4, 10, 16).requires_grad_(true);
        Recompute.Backward(reward.Score(frames, []).sum());
        return Values(frames.grad!.flatten());
    }

    private static VJepaReward Reward(VJepaOptions? options = null, ScalarType dtype = ScalarType.Float32)
    {
        var placement = new Placement(CPU, dtype);
        return new VJepaReward(Ramp.Fill(new VJepaNetwork(s_config, placement)), options ?? s_options, clamp: true, () => throw new NotSupportedException());
    }

    /// <summary>The same weights in a file, named as in the official ones.</summary>
    private static string Write(TemporaryFolder folder)
    {
        using VJepaNetwork network = Ramp.Fill(new VJepaNetwork(s_config, Placement.Cpu));
        string path = folder.Path("small.safetensors");
        SafetensorsWriter.Write(path, network.state_dict().ToDictionary(pair => Official(pair.Key), pair => pair.Value));
        return path;

        // dictionary.name -> dictionary/module.backbone.name
        static string Official(string key) =>
            $"{key[..key.IndexOf('.', StringComparison.Ordinal)]}/module.backbone.{key[(key.IndexOf('.', StringComparison.Ordinal) + 1)..]}"
            .Replace(".layer_norm", ".norm", StringComparison.Ordinal)
            .Replace(".self_attn.qkv_proj.", ".attn.qkv.", StringComparison.Ordinal)
            .Replace(".self_attn.out_proj.", ".attn.proj.", StringComparison.Ordinal);
    }

    private static float[] Values(Tensor tensor) => tensor.detach().to_type(ScalarType.Float32).data<float>().ToArray();
}
