using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class StableVideoDiffusionPipelineTests
{
    [Test]
    public void TheDoorRecognizesTheFamily()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(TinyImageModel.Folder);
        Assert.That(model.Family, Is.EqualTo("StableVideoDiffusion"));
        Assert.That(model.DefaultSize, Is.EqualTo(new VideoSize(3, 576, 1024)));
        Assert.That(model.Images, Is.EqualTo(ImageUse.Required));
        Assert.That(model.Hash, Has.Length.EqualTo(64));
        Assert.That(model.DefaultSampling,
            Is.EqualTo(new SamplingDefaults(25, 3) { MinGuidanceScale = 1, FramesPerSecond = 7, MotionBucketId = 127, NoiseAugmentation = 0.02 }));
    }

    /// <summary>A part's frames see each other; which of them are asked for, and what else is in the batch, changes nothing.</summary>
    [TestCase(2)]
    [TestCase(null)]
    public void AFrameIsTheSameWhicheverOthersAreAskedForAndVideosAreNotMixed(int? together)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = TinyImageModel.Load();
        model.FramesPerDecode = together;
        Tensor latents = Ramp.Values(1, 2, 4, 5, 4, 4);
        Tensor all = model.Decode(latents, 5);
        Assert.That(all.shape, Is.EqualTo(new long[] { 2, 3, 5, 8, 8 }));
        Tensor some = model.Decode(latents, 5, [4, 1]), alone = model.Decode(latents[1..], 5);
        RequireNear(some.select(2, 0), all.select(2, 4));
        RequireNear(some.select(2, 1), all.select(2, 1));
        RequireNear(alone, all[1..]);
        if (together is not null)
        {
            Tensor other = latents.clone();
            other.select(2, 0).zero_();
            RequireNear(model.Decode(other, 5).narrow(2, 2, 3), all.narrow(2, 2, 3)); // another part
            Assert.That(model.Decode(other, 5).select(2, 1).allclose(all.select(2, 1), rtol: 1e-4, atol: 1e-5), Is.False, "the same part");
        }
    }

    [Test]
    public void ARequestWithoutAnImageIsRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        Assert.That(() => new VideoGenerator(model, TinyImageModel.Sampling()).Generate(["a horse"], [1]),
            Throws.ArgumentException.With.Message.Contains("image"));
        Assert.That(
            () => new VideoGenerator(model, TinyImageModel.Sampling()).Generate([new("", () => TinyImageModel.Image()), new("")], [1, 2]),
            Throws.ArgumentException.With.Message.Contains("Row 1"));
    }

    [Test]
    public void AnImageOfAnotherSizeIsResizedAndOneOfAnotherRangeRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = TinyImageModel.Load();
        var generator = new VideoGenerator(model, TinyImageModel.Sampling());
        using Tensor video = generator.Generate([new("", () => TinyImageModel.Image(12, 10)), new("", () => TinyImageModel.Image())], [1, 2]);
        Assert.That(video.shape, Is.EqualTo(new long[] { 2, 3, 2, 8, 8 }));
        Assert.That(() => generator.Generate([new("", () => TinyImageModel.Image() * 255)], [1]), Throws.ArgumentException.With.Message.Contains("[0, 1]"));
    }

    [TestCase(0, 8, 8, "Frames")]
    [TestCase(2, 9, 8, "Height")]
    [TestCase(2, 8, 7, "Width")]
    public void ASizeItCannotMakeIsSaid(int frames, int height, int width, string named)
    {
        using VideoDiffusionModel model = TinyImageModel.Load();
        Assert.That(model.SizeFault(new VideoSize(frames, height, width)), Does.Contain(named));
        Assert.That(model.SizeFault(TinyImageModel.Size), Is.Null);
    }

    [Test]
    public void NoiseLevelsMustFall()
    {
        using VideoDiffusionModel model = TinyImageModel.Load();
        ISampler sampler = model.CreateSampler(TinyImageModel.Sampling());
        Assert.That(sampler.Timesteps, Is.EqualTo(new[] { Math.Log(8) / 4, Math.Log(1.5) / 4 }));
        Assert.That(sampler.InitialNoiseSigma, Is.EqualTo(Math.Sqrt(65)));
        foreach (double[] levels in new double[][] { [8], [8, 9, 0], [8, 8, 0], [8, double.NaN, 0], [8, -1] })
        {
            Assert.That(() => model.CreateSampler(TinyImageModel.Sampling() with { Sigmas = levels }),
                Throws.ArgumentException.With.Message.Contains("sigmas"));
        }

        Assert.That(
            () => model.CreateSampler(TinyImageModel.Sampling() with { Sampler = "DDIMScheduler" }),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("DDIMScheduler"));
    }

    private static void RequireNear(Tensor actual, Tensor expected) => Assert.That(actual.allclose(expected, rtol: 1e-4, atol: 1e-5));
}
