using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The whole walk on a Stable Video Diffusion folder, by public API only: align videos of images, generate, score, save, load, compare.</summary>
public class StableVideoDoorTests
{
    private const int Height = 8;
    private const int Width = 16;

    private static readonly VideoAlignmentOptions s_options = new()
    {
        Sampling = new() { Frames = 3, Height = Height, Width = Width, Steps = 3, ImageColumnName = "Image" },
        Lora = new() { Rank = 2, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { Steps = 2 },
    };

    private string _folder = null!;

    private string Model => Path.Combine(_folder, "model");

    private string Zip => Path.Combine(_folder, "aligned.zip");

    [SetUp]
    public void CopyTheModel()
    {
        _folder = Directory.CreateTempSubdirectory("door").FullName;
        string source = Path.Combine(ConformanceCase.Root, "S12-pipelines", "svd-basic", "pipeline");
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(Model, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(1, false)]
    [TestCase(1, true)]
    [TestCase(3, false)]
    public void ASavedAlignmentGivesTheSameVideosInAFreshContext(int clips, bool includeBaseModel)
    {
        float[][] videos = AlignAndSave(s_options with { Sampling = s_options.Sampling with { SegmentCount = clips }, IncludeBaseModel = includeBaseModel });
        Assert.That(videos.SelectMany(video => video), Is.All.InRange(0f, 1f));
        Assert.That(videos.Select(video => video.Length), Is.All.EqualTo(clips * 3 * 3 * Height * Width));
        if (includeBaseModel)
        {
            Directory.Delete(Model, recursive: true);
        }

        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Images(fresh))), Is.EqualTo(videos));
    }

    [Test]
    public void ARewardThatReadsPromptsNeedsTheirColumn()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using var reader = new FakeReward(new RewardContract { ReadsPrompt = true });
        Assert.That(
            () => new MLContext(1).Transforms.AlignVideoDiffusion("Video", null, model, reader, s_options),
            Throws.ArgumentNullException.With.Message.Contains("reads the prompt"));
    }

    private static IDataView Images(MLContext context) => context.Data.LoadFromEnumerable(
        Enumerable.Range(1, 2)
            .Select(row => new ImageRow { Image = [.. Enumerable.Range(0, 3 * Height * Width).Select(pixel => pixel * row * 37 % 256 / 255f)] }).ToList());

    private float[][] AlignAndSave(VideoAlignmentOptions options)
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward =
            VideoRewards.Custom("redness", (frames, _) => frames.select(1, 0).mean([1L, 2L, 3L]) - frames.select(1, 2).mean([1L, 2L, 3L]));
        IDataView images = Images(context);
        using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", null, model, reward, options).Fit(images);
        Assert.That(aligned.Size, Is.EqualTo(new VideoSize(3 * options.Sampling.SegmentCount, Height, Width)));
        context.Model.Save(aligned, images.Schema, Zip);
        IDataView scored = context.Transforms.ScoreVideo("Score", "Video", reward).Fit(aligned.Transform(images)).Transform(aligned.Transform(images));
        Assert.That(context.EvaluateVideoAlignment(scored, "Score").Count, Is.EqualTo(2));
        float[][] videos = EstimatorContract.Values(aligned.Transform(images));
        using VideoAlignmentTransformer unaligned = aligned.WithoutAlignment("Video");
        Assert.That(EstimatorContract.Values(unaligned.Transform(images)), Is.Not.EqualTo(videos), "training changed the videos");
        return videos;
    }

    private sealed class ImageRow
    {
        [VectorType(3, Height, Width)]
        public float[] Image { get; set; } = [];
    }
}
