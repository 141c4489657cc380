namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The whole walk on an Open-Sora folder, by public API only: align, generate, score, save, load, compare.</summary>
public class OpenSoraDoorTests
{
    /// <summary>21 rows of pixels do not fill latents of 8: the video has 16.</summary>
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Sampling = new() { Frames = 17, Height = 21, Width = 24, Steps = 2 },
        Lora = new() { Rank = 2, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { Steps = 2 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 1 }),
    };

    private string _folder = null!;

    private string Model => Path.Combine(_folder, "model");

    private string Zip => Path.Combine(_folder, "aligned.zip");

    [SetUp]
    public void CopyTheModel()
    {
        _folder = Directory.CreateTempSubdirectory("door").FullName;
        OpenSoraPipelineTests.CopyModel(Model);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(false)]
    [TestCase(true)]
    public void ASavedAlignmentGivesTheSameVideosInAFreshContext(bool includeBaseModel)
    {
        float[][] videos = AlignAndSave(s_options with { IncludeBaseModel = includeBaseModel });
        Assert.That(videos.SelectMany(video => video), Is.All.InRange(0f, 1f));
        Assert.That(videos.Select(video => video.Length), Is.All.EqualTo(17 * 3 * 16 * 24));
        if (includeBaseModel)
        {
            Directory.Delete(Model, recursive: true);
        }

        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Prompts(fresh))), Is.EqualTo(videos));
    }

    [Test]
    public void ANegativePromptIsRefusedBeforeAnythingIsDone()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward = TinyModel.Redness();
        Assert.That(
            () => new MLContext().Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward,
                s_options with { Sampling = s_options.Sampling with { NegativePrompt = "blurry" } }),
            Throws.ArgumentException.With.Message.Contains("NegativePrompt must be empty").And.Message.Contains("null text"));
    }

    /// <summary>VADER's reward reads the cleaned text before the scores, of the segment that is generated.</summary>
    [Test]
    public void TheRewardReadsTheCleanedPromptWithoutWhatIsWrittenForTheModel()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        var context = new MLContext(seed: 1);
        var read = new HashSet<string>();
        using VideoReward reward = VideoRewards.Custom(
            "reader",
            (frames, prompts) =>
            {
                read.UnionWith(prompts);
                return frames.select(1, 0).mean([1L, 2L, 3L]);
            },
            new RewardContract { ReadsPrompt = true });
        IDataView prompts = context.Data.LoadFromEnumerable(new[] { "A RED Circle aesthetic score: 5.5." }.Select(prompt => new PromptRow { Prompt = prompt }));
        context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, s_options with
        {
            Optimizer = s_options.Optimizer with { Steps = 1 },
            Validation = s_options.Validation with { Prompts = ["|0| A Dog |1| A Cat"] },
        })
            .Fit(prompts).Dispose();
        Assert.That(read, Does.Contain("a red circle").And.Contain("a cat"));
        Assert.That(read, Has.None.Contains("score").And.None.Contains("|"));
    }

    private static IDataView Prompts(MLContext context) =>
        context.Data.LoadFromEnumerable(new[] { "a red circle", "a blue square" }.Select(prompt => new PromptRow { Prompt = prompt }).ToList());

    private float[][] AlignAndSave(VideoAlignmentOptions options)
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward =
            VideoRewards.Custom("redness", (frames, _) => frames.select(1, 0).mean([1L, 2L, 3L]) - frames.select(1, 2).mean([1L, 2L, 3L]));
        IDataView prompts = Prompts(context);
        using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(prompts);
        Assert.That(aligned.Size, Is.EqualTo(new VideoSize(17, 16, 24)));
        context.Model.Save(aligned, prompts.Schema, Zip);
        IDataView scored = context.Transforms.ScoreVideo("Score", "Video", reward).Fit(aligned.Transform(prompts)).Transform(aligned.Transform(prompts));
        Assert.That(context.EvaluateVideoAlignment(scored, "Score").Count, Is.EqualTo(2));
        float[][] videos = EstimatorContract.Values(aligned.Transform(prompts));
        using VideoAlignmentTransformer unaligned = aligned.WithoutAlignment("Video");
        Assert.That(EstimatorContract.Values(unaligned.Transform(prompts)), Is.Not.EqualTo(videos), "training changed the videos");
        return videos;
    }
}
