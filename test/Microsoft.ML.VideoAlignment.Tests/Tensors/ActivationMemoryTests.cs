using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What gradient steps keep decides memory and time and nothing else.</summary>
public class ActivationMemoryTests
{
    private static readonly (ActivationMemory Blocks, bool Steps)[] s_ways =
        [(ActivationMemory.Recompute, false), (ActivationMemory.RecomputeOffloaded, false), (ActivationMemory.Keep, true), (ActivationMemory.Recompute, true),
            (ActivationMemory.RecomputeOffloaded, true)];

    /// <summary>
    /// A network sums the gradient of its skip connections in another order where blocks run again, so the last bit of float32 may differ, as it may where
    /// steps share latents; one step as a whole is one block, and offloading changes no number.
    /// </summary>
    [TestCase("text", 1)]
    [TestCase("text", 3)]
    [TestCase("image", 2)]
    public void TheGradientIsTheSameWhateverIsKept(string made, int window)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = made == "text" ? TinyModel.Load() : TinyImageModel.Load();
        Dictionary<(ActivationMemory, bool), Tensor> all =
            s_ways.Append((ActivationMemory.Keep, false)).ToDictionary(way => way, way => Gradient(model, way.Item1, way.Item2, window));
        Tensor plain = all[(ActivationMemory.Keep, false)];
        double largest = plain.abs().max().ToDouble();
        Assert.That(largest, Is.Positive);
        foreach (((ActivationMemory blocks, bool steps), Tensor gradient) in all)
        {
            Assert.That((gradient - plain).abs().max().ToDouble(), Is.LessThan(1e-5 * largest), $"{blocks}, steps {steps}");
        }

        RequireSameBits(all[(ActivationMemory.RecomputeOffloaded, false)], all[(ActivationMemory.Recompute, false)]);
        RequireSameBits(all[(ActivationMemory.RecomputeOffloaded, true)], all[(ActivationMemory.Recompute, true)]);
        if (window == 1)
        {
            RequireSameBits(all[(ActivationMemory.Keep, true)], plain);
            RequireSameBits(all[(ActivationMemory.Recompute, true)], all[(ActivationMemory.Recompute, false)]);
        }
    }

    [Test]
    public void AStepRunAgainAsAWholeKeepsItsLatentsAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = MovingShapesModels.TextToVideo();
        long latents = model.LatentShape(1, model.DefaultSize).Aggregate(4L, (product, side) => product * side);
        long blocks = Step(ActivationMemory.Recompute, steps: false), whole = Step(ActivationMemory.Recompute, steps: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(blocks, Is.GreaterThan(20 * latents));
            Assert.That(whole, Is.LessThan(4 * latents), "latents, the prediction and what the sampler makes of them");
        }

        long Step(ActivationMemory memory, bool steps) => Walked(model, memory, steps, DeviceType.CPU, window: 3)[RunStage.GradientStep]
            - Walked(model, memory, steps, DeviceType.CPU, window: 2)[RunStage.GradientStep];
    }

    /// <summary>Where the device is a GPU, what blocks keep is not in its memory; where it is the CPU there is nowhere else.</summary>
    [Test]
    public void OffloadedInputsTakeNoMemoryOfTheDevice()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = MovingShapesModels.TextToVideo();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Kept(ActivationMemory.RecomputeOffloaded, DeviceType.CUDA), Is.LessThan(0.7 * Kept(ActivationMemory.Recompute, DeviceType.CUDA)));
            Assert.That(Kept(ActivationMemory.RecomputeOffloaded, DeviceType.CPU), Is.EqualTo(Kept(ActivationMemory.Recompute, DeviceType.CPU)));
        }

        long Kept(ActivationMemory memory, DeviceType device) => Walked(model, memory, steps: false, device, window: 3)[RunStage.Decoding];
    }

    /// <summary>Bands of one row of the decoder, under the trainer: one video, or two segments that carry gradient across.</summary>
    [TestCase("text")]
    [TestCase("image")]
    public void TheGradientIsTheSameInTiles(string made)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = made == "text" ? TinyModel.Load() : TinyImageModel.Load();
        Tensor plain = Gradient(model, ActivationMemory.Recompute, steps: false, window: 2),
            tiled = Gradient(model, ActivationMemory.Recompute, steps: false, window: 2, tileBytes: 1);
        Assert.That((tiled - plain).norm().ToDouble(), Is.LessThan(0.01 * plain.norm().ToDouble()));
    }

    [Test]
    public void TilesNeedRecompute()
    {
        var options = new VideoAlignmentOptions { Memory = new() { Recompute = ActivationRecompute.None, Tiling = ActivationTiling.Decoder } };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("Tiling must be None where Recompute is None"));
        options = options with { Memory = new() { Tiling = (ActivationTiling)7 } };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("Tiling must be one of the names"));
        using (new MemoryOptions { Tiling = ActivationTiling.Decoder }.BeginScope())
        {
            Assert.That(Recompute.TileBytes, Is.EqualTo(ImageBands.DefaultBytes));
        }

        Assert.That(Recompute.TileBytes, Is.Null);
    }

    [Test]
    public void OffloadingNeedsRecompute()
    {
        var options = new VideoAlignmentOptions { Memory = new() { Recompute = ActivationRecompute.None, OffloadActivations = true } };
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains("OffloadActivations must be false where Recompute is None"));
    }

    private static void RequireSameBits(Tensor gradient, Tensor expected) =>
        Assert.That(gradient.data<float>().ToArray(), Is.EqualTo(expected.data<float>().ToArray()));

    /// <summary>The gradient of all factors, one after another: of a video from text, or of a video of two segments that carry gradient across.</summary>
    private static Tensor Gradient(VideoDiffusionModel model, ActivationMemory blocks, bool steps, int window, long? tileBytes = null)
    {
        using IDisposable memory = Recompute.BeginScope(blocks, steps, tileBytes);
        using LoraAdapters adapters = TinyModel.Adapt(model);
        foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            using IDisposable guard = no_grad();
            using Tensor values = Ramp.Values(name.Length, factor.shape) * 0.1;
            factor.copy_(values);
        }

        bool images = model.Images == ImageUse.Required;
        TrainerSettings settings = TinyModel.Settings();
        settings = settings with { Sampling = images ? TinyImageModel.Sampling(2) : settings.Sampling, CarryGradientAcrossSegments = images };
        using VideoReward reward = TinyModel.Redness();
        using var trainer = settings.Trainer(model, reward, adapters);
        SegmentInputs first = Segment(0, images ? TinyImageModel.Image().unsqueeze(0) : null);
        trainer.Backward(new Rollout
        {
            Prompts = [""],
            First = first,
            Frames = images ? [1, 3] : [0, 2],
            Later = images ? [image => Segment(1, image)] : [],
        });
        return cat([.. adapters.Parameters.Where(factor => factor.grad is not null).Select(factor => factor.grad!.flatten().clone())]);

        SegmentInputs Segment(int index, Tensor? image)
        {
            Tensor Noise(IReadOnlyList<long> shape) => Ramp.Values(index + 3, [.. shape]) * 2;
            using IDisposable mode = set_grad_enabled(image is { requires_grad: true });
            VideoRequest request = settings.Sampling.Request([new("")], Noise) with { Images = image };
            Condition condition = model.Encode(request);
            return new SegmentInputs
            {
                Condition = condition,
                Unconditional = model.EncodeUnconditional(request, condition),
                Start = Noise(model.LatentShape(1, settings.Sampling.Size)),
                Noise = _ => Noise(model.LatentShape(1, settings.Sampling.Size)),
                Plan = GradientPlan.Suffix(model.CreateSampler(settings.Sampling).Timesteps.Count,
                    model.CreateSampler(settings.Sampling).Timesteps.Count - window),
            };
        }
    }

    private static IReadOnlyDictionary<RunStage, long> Walked(VideoDiffusionModel model, ActivationMemory memory, bool steps, DeviceType device, int window)
    {
        VideoDiffusionModel shapes = model.ToMeta();
        using IDisposable kept = Recompute.BeginScope(memory, steps);
        using LoraAdapters adapters = TinyModel.Adapt(shapes);
        using VideoReward mean = VideoRewards.Custom("mean", (frames, _) => frames.mean([1, 2, 3, 4]));
        TrainerSettings settings = TinyModel.Settings() with
        {
            Sampling = new SamplingSettings { Size = model.DefaultSize, Steps = 5, GuidanceScale = 1 },
            Window = GradientWindow.LastSteps(window),
            Frames = RewardFrames.OneRandom,
        };
        return TrainingDryRun.Run(settings.Run(shapes, mean), new RewardGradientAlgorithm(settings.Gradient), adapters, device).Training;
    }
}
