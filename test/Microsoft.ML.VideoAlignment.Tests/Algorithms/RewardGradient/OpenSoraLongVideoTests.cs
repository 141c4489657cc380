using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Frames that Open-Sora is given: images, and the last frames of a video's segments.</summary>
[NonParallelizable]
public class OpenSoraLongVideoTests
{
    /// <summary>The 17th row of pixels fills no latent: frames have 16, and an image of 16 is not resized.</summary>
    private static readonly SamplingSettings s_clip = new() { Size = new VideoSize(17, 17, 24), Steps = 3, GuidanceScale = 3, FramesPerSecond = 24 };

    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void Load() => _model = VideoDiffusionModel.Untrained(VideoModelFamily.OpenSora);

    [OneTimeTearDown]
    public void Free() => _model.Dispose();

    [Test]
    public void AImageIsTheFirstLatentFrameAndNoOther()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor expected = Encoded(Image(1), noiseSeed: 3);
        Tensor[] latents = [.. new[] { new VideoPrompt("a ship", () => Image(1)), new VideoPrompt("a ship") }.Select(prompt => Latents(prompt, seed: 3))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(latents[0][.., .., ..1].Equals(expected), "as the autoencoder gave it");
            Assert.That((latents[1][.., .., ..1] - expected).abs().max().ToDouble(), Is.GreaterThan(0.1));
            for (int frame = 1; frame < latents[0].shape[2]; frame++)
            {
                Assert.That((latents[0][.., .., frame] - expected.squeeze(2)).abs().max().ToDouble(), Is.GreaterThan(0.1), $"latent frame {frame} is made");
            }
        }
    }

    /// <summary>It stays as it is until the time of its edit ratio, gets noise once, and is made from there.</summary>
    [Test]
    public void AnEditedImageWaitsForItsTime()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor given = Encoded(Image(1), noiseSeed: 3).squeeze(2);
        var seen = new List<(double Timestep, bool IsGiven)>();
        Tensor latents = Latents(
            new VideoPrompt("""a ship {"mask_strategy": "0,0,0,0,1,0.5"}""", () => Image(1)), seed: 3, s_clip with { Steps = 8 },
            step => seen.Add((step.Timestep, step.Latents[.., .., 0].Equals(given))));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen.Select(step => step.IsGiven), Is.EqualTo(seen.Select(step => step.Timestep > 500)));
            Assert.That(seen.Select(step => step.IsGiven), Does.Contain(true).And.Contain(false));
            Assert.That((latents[.., .., 0] - given).abs().max().ToDouble(), Is.GreaterThan(0.05));
        }
    }

    [Test]
    public void WithoutImagesNothingIsGiven()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var cache = new ConditionCache(_model, s_clip);
        using var noise = new SeededNoise([3], CPU);
        SegmentInputs segment = new SegmentBuilder(_model, s_clip, _model.CreateSampler(s_clip), cache).Build(0, ["a ship"], image: null, noise.Next);
        using var same = new SeededNoise([3], CPU);
        Assert.That((segment.Sampler, segment.Condition.FrameMask, segment.Condition.ImageLatents),
            Is.EqualTo(((ISampler?)null, (Tensor?)null, (Tensor?)null)));
        Assert.That(segment.Start.Equals(same.Next(segment.Start.shape)), "the first draw is the start");
    }

    /// <summary>The mask of a row without images is all ones.</summary>
    [Test]
    public void RowsWithAndWithoutImagesShareABatch()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var cache = new ConditionCache(_model, s_clip);
        VideoPrompt[] prompts = [new("a ship"), new("a ship", () => Image(1)), new("""a ship {"mask_strategy": "0,0,0,3,1,0.4"}""", () => Image(1))];
        Tensor Noise(IReadOnlyList<long> shape) => Ramp.Values(2, [1, .. shape.Skip(1)]).expand([.. shape]) * 3;
        var preparation = new SegmentBuilder(_model, s_clip, _model.CreateSampler(s_clip), cache);
        Tensor together = Run(preparation.Build(0, prompts, image: null, Noise));
        Assert.That(together.shape[0], Is.EqualTo(3));
        for (int row = 0; row < prompts.Length; row++)
        {
            Tensor alone = Run(preparation.Build(0, [prompts[row]], image: null, Noise));
            Assert.That((together[row] - alone[0]).abs().max().ToDouble(), Is.LessThan(1e-4), $"row {row}");
        }

        Tensor Run(SegmentInputs segment)
        {
            Tensor? latents = null;
            new SegmentSampler(_model, s_clip, _model.CreateSampler(s_clip), adapters: null).Run((_, _) => segment,
                (_, made) => { latents = made.MoveToOuterDisposeScope(); return null; });
            return latents!;
        }
    }

    [Test]
    public void EachSegmentBeginsWithTheLastFrameOfTheOneBefore()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        SamplingSettings three = s_clip with { SegmentCount = 3 };
        Tensor video = Video(three, new VideoPrompt("a ship"), seed: 3);
        Assert.That(video.shape, Is.EqualTo(new long[] { 1, 3, 51, 16, 24 }));
        Assert.That(video[.., .., ..17].Equals(Video(s_clip, new VideoPrompt("a ship"), seed: 3)), "the first clip is the video");
        var conditions = new List<Condition>();
        using var cache = new ConditionCache(_model, three);
        using var noise = new SeededNoise([3], CPU);
        var preparation = new SegmentBuilder(_model, three, _model.CreateSampler(three), cache);
        var chain = new SegmentSampler(_model, three, _model.CreateSampler(three), adapters: null);
        chain.Run(Begin, Finish);
        Assert.That(conditions.Skip(1).Select(condition => condition.FrameMask!.data<float>().ToArray()), Is.All.EqualTo(new float[] { 0, 1, 1, 1, 1 }));

        SegmentInputs Begin(int segment, Tensor? image)
        {
            SegmentInputs prepared = preparation.Build(segment, ["a ship"], image, noise.Next);
            conditions.Add(prepared.Condition.Map(static tensor => tensor.clone()).DetachFromDisposeScope());
            return prepared;
        }

        Tensor? Finish(int segment, Tensor latents)
        {
            Tensor frames = ((_model.Decode(latents, 17) / 2) + 0.5).clamp(0, 1);
            Assert.That((frames - video.narrow(2, 17 * segment, 17)).abs().max().ToDouble(), Is.LessThan(1e-5),
                $"clip {segment} of the video, which was handed the same frame");
            if (segment > 0)
            {
                Assert.That(latents[.., .., ..1].Equals(conditions[segment].ImageLatents![.., .., ..1]), $"clip {segment} begins with what it is given");
            }

            return video.select(2, (17 * segment) + 16);
        }
    }

    [Test]
    public void EachSegmentHasItsSegmentOfThePrompt()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        SamplingSettings two = s_clip with { SegmentCount = 2 };
        Tensor video = Video(two, new VideoPrompt("|0| a sunny day |1| a rainy day"), seed: 3);
        Tensor sunny = Video(two, new VideoPrompt("a sunny day"), seed: 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(video[.., .., ..17].Equals(sunny[.., .., ..17]), "loop 0 is the first clip");
            Assert.That(video[.., .., 17..].Equals(sunny[.., .., 17..]), Is.False, "loop 1 is the second");
            Assert.That(Video(s_clip, new VideoPrompt("|0| a sunny day |1| a rainy day"),
                seed: 3).Equals(Video(s_clip, new VideoPrompt("a rainy day"), seed: 3)), "a video of one clip is VADER's loop 1");
            Assert.That(_model.RewardText("|0| A sunny day |2| a rainy day", segments: 3), Is.EqualTo("a sunny day, a rainy day"));
            Assert.That(_model.RewardText("A sunny day", segments: 3), Is.EqualTo("a sunny day"));
            Assert.That(_model.RewardText("|0| a sunny day |1| a rainy day", segments: 1), Is.EqualTo("a rainy day"));
        }
    }

    /// <summary>Every segment's text is encoded before the first step, equal ones once.</summary>
    [Test]
    public void TheTextsOfAllSegmentsAreEncodedAtOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using var texts = new CountedTexts(_model.TextEncoder);

        // It shares its networks with the fixture's model, which frees them.
        var model = new VideoDiffusionModel(OpenSoraModel.FromNetworks("counted", texts, (STDiT3)_model.Denoiser, _model.Autoencoder, Placement.Cpu));
        using var cache = new ConditionCache(model, s_clip with { SegmentCount = 3 });
        cache.Prepare(["|0| a sunny day |1| a rainy day", "a sunny day"]);
        Assert.That(texts.Read, Is.EquivalentTo(new[] { "a sunny day aesthetic score: 6.5.", "a rainy day aesthetic score: 6.5." }));
        using (no_grad())
        {
            cache.GetForSegment(2, ["|0| a sunny day |1| a rainy day"], Image(1).unsqueeze(0), shape => zeros([.. shape]));
        }

        Assert.That(texts.Read, Has.Count.EqualTo(2));
    }

    /// <summary>
    /// The reward sees the second segment alone: the first segment's start has gradient if the frame between them carries it, and none at all if it does not.
    /// </summary>
    [TestCase(false, false)]
    [TestCase(true, false)]
    [TestCase(true, true)]
    public void GradientStaysInsideASegmentUnlessItIsCarried(bool carry, bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        SamplingSettings two = s_clip with { SegmentCount = 2 };
        using LoraAdapters adapters = TinyModel.Adapt(_model);
        using VideoReward reward = TinyModel.Redness();
        TrainerSettings settings = TinyModel.Settings()
            with
        { Sampling = two, CarryGradientAcrossSegments = carry, Window = GradientWindow.LastSteps(2), Frames = RewardFrames.Chosen(20, 33) };
        using var trainer = settings.Trainer(_model, reward, adapters);
        using var draws = new TrainingRandom([new VideoPrompt("a ship")], seed: 4);
        using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
        Rollout rollout = trainer.Draw(draws);
        Tensor start = rollout.First.Start.detach().requires_grad_(true);
        trainer.Backward(rollout with { First = rollout.First with { Start = start, Plan = GradientPlan.Suffix(3, start: 0) } });
        double gradient = start.grad?.abs().max().ToDouble() ?? 0;
        Assert.That(gradient, carry ? Is.GreaterThan(0) : Is.Zero);
        Assert.That(adapters.Parameters.Any(factor => factor.grad is { } slope && slope.count_nonzero().ToInt64() > 0));
    }

    private static Tensor Image(int start, int height = 16, int width = 24) => Ramp.Values(start, 3, height, width) + 0.5;

    private Tensor Video(SamplingSettings settings, VideoPrompt prompt, ulong seed) => new VideoGenerator(_model, settings).Generate([prompt], [seed]);

    /// <summary>The image's latents [1, c, 1, h, w] with the first draws of a run.</summary>
    private Tensor Encoded(Tensor image, ulong noiseSeed)
    {
        using var noise = new SeededNoise([noiseSeed], CPU);
        long[] shape = _model.LatentShape(1, s_clip.Size);
        Tensor ofImage = noise.Next([1, _model.Autoencoder.Config.Spatial.LatentChannels, .. shape[3..]]),
            ofVideo = noise.Next([1, shape[1], 1, .. shape[3..]]);
        return _model.Autoencoder.Encode(((image * 2) - 1).unsqueeze(0).unsqueeze(2), ofImage, ofVideo);
    }

    private Tensor Latents(VideoPrompt prompt, ulong seed, SamplingSettings? settings = null, Action<DenoisingStep>? look = null)
    {
        settings ??= s_clip;
        using var cache = new ConditionCache(_model, settings);
        using var noise = new SeededNoise([seed], CPU);
        ISampler sampler = _model.CreateSampler(settings);
        Tensor? latents = null;
        var preparation = new SegmentBuilder(_model, settings, sampler, cache);
        new SegmentSampler(_model, settings, sampler, adapters: null) { OnStep = (_, step) => look?.Invoke(step) }.Run(
            (segment, image) => preparation.Build(segment, [prompt], image, noise.Next),
            (_, made) =>
            {
                latents = made.MoveToOuterDisposeScope();
                return null;
            });
        return latents!;
    }

    private sealed class CountedTexts(ITextStateEncoder inner) : ITextStateEncoder
    {
        public List<string> Read { get; } = [];

        public Device Device => inner.Device;

        public int Length => inner.Length;

        public TextStates Encode(IReadOnlyList<string> prompts)
        {
            Read.AddRange(prompts);
            return inner.Encode(prompts);
        }

        public int CountTruncated(string prompt) => inner.CountTruncated(prompt);

        public void MoveTo(Device device) => inner.MoveTo(device);

        public void Release()
        {
        }

        public void Dispose()
        {
        }
    }
}
