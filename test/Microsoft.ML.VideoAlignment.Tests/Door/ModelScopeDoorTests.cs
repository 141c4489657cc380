namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The whole walk on a real diffusers folder, by public API only: align, generate, score, save, load, compare.</summary>
public class ModelScopeDoorTests
{
    private static readonly VideoAlignmentOptions s_options =
        new()
        {
            Sampling = new() { Frames = 2, Steps = 2, GuidanceScale = 3 },
            Lora = new() { Rank = 2 },
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
        string given = ConformanceCase.All().First(testCase => testCase.ToString().EndsWith("modelscope-ddim", StringComparison.Ordinal)).Folder;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(given, "model"), "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(Model, Path.GetRelativePath(Path.Combine(given, "model"), file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ASavedAlignmentGivesTheSameVideosInAFreshContext()
    {
        float[][] videos = AlignAndSave(s_options);
        Assert.That(videos.SelectMany(video => video), Is.All.InRange(0f, 1f));
        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Prompts(fresh))), Is.EqualTo(videos));
    }

    [Test]
    public void TheBaseModelInsideTheZipNeedsNoFolder()
    {
        float[][] videos = AlignAndSave(s_options with { IncludeBaseModel = true });
        Directory.Delete(Model, recursive: true);
        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Prompts(fresh))), Is.EqualTo(videos));
    }

    [Test]
    public void ChangedWeightsAreNoticed()
    {
        AlignAndSave(s_options);
        string vae = Directory.EnumerateFiles(Path.Combine(Model, "vae")).Single(file => !file.EndsWith(".json", StringComparison.Ordinal));
        byte[] bytes = File.ReadAllBytes(vae);
        bytes[^5] ^= 1;
        File.WriteAllBytes(vae, bytes);
        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        Assert.That(() => fresh.Model.Load(Zip, out _), Throws.Exception.With.InnerException.Message.Contains("SHA-256").Or.With.Message.Contains("SHA-256"));
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
        context.Model.Save(aligned, prompts.Schema, Zip);
        IDataView scored = context.Transforms.ScoreVideo("Score", "Video", reward).Fit(aligned.Transform(prompts)).Transform(aligned.Transform(prompts));
        Assert.That(context.EvaluateVideoAlignment(scored, "Score").Count, Is.EqualTo(2));
        return EstimatorContract.Values(aligned.Transform(prompts));
    }
}
