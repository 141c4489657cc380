using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Videos of several segments, generated and aligned.</summary>
[NonParallelizable]
public class SegmentSamplerTests
{
    [Test]
    public void TheFirstSegmentIsTheVideoAndTheNextBeginsWithItsLastFrame()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        VideoPrompt prompt = new("", () => TinyImageModel.Image());
        Tensor video = new VideoGenerator(model, TinyImageModel.Sampling()).Generate([prompt], [7]);
        Tensor longVideo = new VideoGenerator(model, TinyImageModel.Sampling(3)).Generate([prompt], [7]);
        Assert.That(longVideo.shape, Is.EqualTo(new long[] { 1, 3, 6, 8, 8 }));
        Assert.That(longVideo.narrow(2, 0, 2).data<float>().ToArray(), Is.EqualTo(video.data<float>().ToArray()), "bit for bit");

        // The second segment follows from the first one's last frame and the draws after it: the same from there on, whatever came before.
        var images = new List<float[]>();
        SamplingSettings settings = TinyImageModel.Sampling(2);
        ISampler sampler = model.CreateSampler(settings);
        var chain = new SegmentSampler(model, settings, sampler, adapters: null);
        using IDisposable guard = no_grad();
        chain.Run(Begin, (_, latents) => chain.LastFrame(latents, carry: false));
        Assert.That(images, Has.Count.EqualTo(1));
        Assert.That(images[0].Zip(video.select(2, 1).contiguous().data<float>().ToArray(), (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(1e-5));

        SegmentInputs Begin(int index, Tensor? image)
        {
            if (image is not null)
            {
                images.Add(image.contiguous().data<float>().ToArray());
            }

            using var noise = new SeededNoise([7], CPU);
            VideoRequest request = settings.Request([prompt], noise.Next);
            Condition condition = model.Encode(request);
            Condition unconditional = model.EncodeUnconditional(request, condition);
            return new SegmentInputs
            {
                Condition = condition,
                Unconditional = unconditional,
                Start = noise.Next(model.LatentShape(1, settings.Size)) * sampler.InitialNoiseSigma,
                Noise = _ => throw new InvalidOperationException("nothing is drawn"),
                Plan = GradientPlan.None(2),
            };
        }
    }

    [Test]
    public void ATextModelMakesNoVideos()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        SamplingSettings settings = TinyModel.Settings().Sampling with { SegmentCount = 3 };
        Assert.That(
            () => new VideoGenerator(model, settings).Generate(["a horse"], [1]),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("SegmentCount 3").And.Message.Contains("ModelScope").And.Message.Contains("image"));
        Assert.That(SegmentSampler.Fault(model, 0), Does.Contain("at least 1"));
        Assert.That(SegmentSampler.Fault(model, 1), Is.Null);
    }

    /// <summary>
    /// One gradient, however it is computed: segments kept or recomputed, frames decoded at once or in chunks. The reward looks across segments. Inputs are
    /// float64, so that only a lost or doubled path could make a difference.
    /// </summary>
    [TestCase(false)]
    [TestCase(true)]
    public void EveryWayOfSavingMemoryGivesTheSameGradient(bool carry)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        using LoraAdapters adapters = Adapt(model);
        Dictionary<string, Tensor> plain = Gradients(model, adapters, carry, recompute: false, framesPerDecode: null);
        Assert.That(plain.Values.Count(gradient => gradient.count_nonzero().item<long>() > 0), Is.GreaterThan(plain.Count / 2));
        RequireEqual(Gradients(model, adapters, carry, recompute: true, framesPerDecode: null), plain);
        RequireEqual(Gradients(model, adapters, carry, recompute: false, framesPerDecode: 3), plain);
        RequireEqual(Gradients(model, adapters, carry, recompute: true, framesPerDecode: 1), plain);
    }

    [Test]
    public void HandingTheGraphOnChangesTheGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        using LoraAdapters adapters = Adapt(model);
        Dictionary<string, Tensor> cut = Gradients(model, adapters, carry: false, recompute: false, framesPerDecode: null);
        Dictionary<string, Tensor> carried = Gradients(model, adapters, carry: true, recompute: false, framesPerDecode: null);
        Assert.That(carried.Count(pair => !pair.Value.allclose(cut[pair.Key], rtol: 1e-3, atol: 0)), Is.GreaterThan(carried.Count / 2));
    }

    [Test]
    public void TrainingOnImagesRaisesTheRewardOfVideos()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        using LoraAdapters adapters = TinyModel.Adapt(model);
        VideoPrompt[] prompts = [new("", () => TinyImageModel.Image()), new("", () => TinyImageModel.Image(start: 5))];
        RewardGradientSettings settings = TinyModel.Settings(steps: 6) with
        {
            Sampling = TinyImageModel.Sampling(2),
            Window = GradientWindow.MostSensitive(),
            ValidationPrompts = [new("", () => TinyImageModel.Image(start: 11))],
            ValidateEvery = 1,
        };
        var curve = new List<double>();
        using VideoReward reward = TinyModel.Redness();
        using var trainer = new RewardGradientTrainer(model, reward, adapters, settings);
        trainer.Train(prompts, step => curve.Add(step.ValidationReward!.Value));
        Assert.That(curve[^1], Is.GreaterThan(curve[0] + 1e-4), string.Join(", ", curve));
        Assert.That(trainer.Work.DenoiserEvaluations, Is.EqualTo(6 * 2 * (2 * 2 * 2)), "6 updates and measurements of 2 clips, 2 steps, 2 branches");
    }

    private static LoraAdapters Adapt(VideoDiffusionModel model)
    {
        LoraAdapters adapters = TinyModel.Adapt(model);
        using IDisposable guard = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            using Tensor values = Ramp.Values(name.Length, factor.shape) * 0.1;
            factor.copy_(values);
        }

        return adapters;
    }

    /// <summary>The gradient of every factor that gets one, of a video of three segments whose steps all carry gradient, by name.</summary>
    private static Dictionary<string, Tensor> Gradients(VideoDiffusionModel model, LoraAdapters adapters, bool carry, bool recompute, int? framesPerDecode)
    {
        model.RecomputeBlocks = recompute;
        SamplingSettings sampling = TinyImageModel.Sampling(3);
        ISampler sampler = model.CreateSampler(sampling);
        using VideoReward reward = VideoRewards.Custom(
            "restlessness", (frames, _) => (frames.diff(1, 2) * frames.mean([2], keepdim: true)).square().mean([1, 2, 3, 4]),
            new RewardContract { MinimumFrames = 2, ScoresFramesSeparately = false });
        RewardGradientSettings settings =
            TinyModel.Settings() with { Sampling = sampling, CarryGradientAcrossSegments = carry, FramesPerDecode = framesPerDecode };
        using var trainer = new RewardGradientTrainer(model, reward, adapters, settings);
        SegmentInputs first = Make(0, TinyImageModel.Image().to_type(ScalarType.Float64).unsqueeze(0));
        trainer.Backward(new Rollout
        {
            Prompts = [""],
            First = first,
            Frames = [0, 1, 3, 4, 5],
            Later = [image => Make(1, image), image => Make(2, image)],
        });
        Dictionary<string, Tensor> gradients =
            adapters.NamedFactors.Where(pair => pair.Factor.grad is not null).ToDictionary(pair => pair.Name, pair => pair.Factor.grad!.clone());
        foreach ((_, TorchSharp.Modules.Parameter factor) in adapters.NamedFactors)
        {
            factor.grad = null;
        }

        return gradients;

        SegmentInputs Make(int index, Tensor images)
        {
            Tensor Noise(IReadOnlyList<long> shape) => Ramp.Values(index + 3, [.. shape]).to_type(ScalarType.Float64) * 2;
            using IDisposable mode = set_grad_enabled(images.requires_grad);
            VideoRequest request = sampling.Request([new("")], Noise) with { Images = images };
            Condition condition = model.Encode(request);
            return new SegmentInputs
            {
                Condition = condition,
                Unconditional = model.EncodeUnconditional(request, condition),
                Start = Noise(model.LatentShape(1, sampling.Size)) * sampler.InitialNoiseSigma,
                Noise = _ => throw new InvalidOperationException("nothing is drawn"),
                Plan = index == 1 ? GradientPlan.Suffix(2, start: 1) : GradientPlan.Suffix(2, start: 0),
            };
        }
    }

    private static void RequireEqual(Dictionary<string, Tensor> actual, Dictionary<string, Tensor> expected)
    {
        Assert.That(actual.Keys, Is.EquivalentTo(expected.Keys));
        foreach ((string name, Tensor gradient) in expected)
        {
            // The adapters' gradients are kept in float32.
            double error = (actual[name] - gradient).abs().max().ToDouble(), scale = gradient.abs().max().ToDouble();
            Assert.That(error, Is.LessThanOrEqualTo(1e-5 * scale), name);
        }
    }
}
