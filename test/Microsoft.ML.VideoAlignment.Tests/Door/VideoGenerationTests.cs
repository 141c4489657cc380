namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>LoRA files at the public door: saved in every format, read back, converted, mixed, turned down.</summary>
[NonParallelizable]
public class VideoGenerationTests
{
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Sampling = new() { Frames = 2, Steps = 2, GuidanceScale = 3 },
        Lora = new() { Layers = LoraLayers.AttentionQkv, Rank = 2, Alpha = 2 },
        Optimizer = new() { Steps = 2, LearningRate = 3e-2 },
    };

    private string _folder = "";
    private VideoDiffusionModel _model = null!;
    private VideoAlignmentTransformer _aligned = null!;
    private MLContext _context = null!;

    private IDataView Prompts => _context.Data.LoadFromEnumerable([new PromptRow { Prompt = "a red circle" }, new PromptRow { Prompt = "a horse" }]);

    [OneTimeSetUp]
    public void Align()
    {
        _folder = Directory.CreateTempSubdirectory("loras").FullName;
        _model = TinyModel.Load();
        _context = new MLContext(seed: 2);
        using VideoReward reward = TinyModel.Redness();
        _aligned = _context.Transforms.AlignVideoDiffusion("Video", "Prompt", _model, reward,
            s_options, control: new RunControl { CheckpointFolder = _folder, CheckpointEvery = 1 }).Fit(Prompts);
    }

    [OneTimeTearDown]
    public void RemoveAll()
    {
        _aligned.Dispose();
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestCase(LoraFormat.Peft)]
    [TestCase(LoraFormat.Diffusers)]
    [TestCase(LoraFormat.DiffusersDown)]
    [TestCase(LoraFormat.DiffusersProcessor)]
    [TestCase(LoraFormat.Vader)]
    [TestCase(LoraFormat.Kohya)]
    public void EveryFormatGivesTheSameVideosAgain(LoraFormat format)
    {
        string path = Path.Combine(_folder, $"{format}{(format == LoraFormat.Vader ? ".pt" : ".safetensors")}");
        var fileOptions = new LoraFileOptions { Alpha = s_options.Lora.Alpha };
        _aligned.SaveAdapters(path, format, fileOptions);
        var lora = new VideoLora(path) { FileOptions = fileOptions };
        Assert.That(Videos(lora), Is.EqualTo(Values(_aligned)), "read back");

        string again = Path.Combine(_folder, $"{format}-as-peft");
        lora.Convert(_model, again, LoraFormat.Peft);
        Assert.That(Videos(new VideoLora(again)), Is.EqualTo(Values(_aligned)), "converted");
    }

    /// <summary>Before a file is opened.</summary>
    [Test]
    public void ALoraThatIsNotOneIsRefusedWithItsPlace()
    {
        foreach ((VideoLora? lora, string said) in new (VideoLora?, string)[]
        {
            (null, "loras[1] must be a LoRA, got null."), (new VideoLora(""), "loras[1] must be a LoRA with the Path"),
            (new VideoLora("x") { Strength = double.NaN }, "loras[1] must be a LoRA with a finite Strength, got NaN."),
            (new VideoLora("x") { FileOptions = null! }, "loras[1] must be a LoRA with FileOptions, got null"),
        })
        {
            Assert.That(() => _context.Transforms.GenerateVideo("Video", "Prompt", _model, loras: [new VideoLora("y"), lora!]),
                Throws.ArgumentException.With.Message.Contains(said));
        }
    }

    [Test]
    public void TheStrengthDialGoesFromTheBaseModelToTheAlignedOne()
    {
        float[][] aligned = Values(_aligned), none = Values(_aligned.WithStrength("Video", 0)), half = Values(_aligned.WithStrength("Video", 0.5));
        Assert.That(none, Is.EqualTo(Values(_aligned.WithoutAlignment("Video"))));
        Assert.That(none, Is.EqualTo(Videos()), "the model as it is");
        Assert.That(Distance(Values(_aligned.WithStrength("Video", 1)), aligned), Is.LessThan(1e-5));
        Assert.That(Distance(half, aligned), Is.GreaterThan(1e-4));
        Assert.That(Distance(half, none), Is.GreaterThan(1e-4));
        Assert.That(() => _aligned.WithStrength("Video", double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => _aligned.WithoutAlignment("Video").WithStrength("Video", 0.5), Throws.InvalidOperationException);
    }

    [Test]
    public void SavedStepsCanBeMixed()
    {
        VideoLora one = new(Path.Combine(_folder, "step-1.safetensors")), two = new(Path.Combine(_folder, "step-2.safetensors"));
        float[][] first = Videos(one), second = Videos(two);
        Assert.That(second, Is.EqualTo(Values(_aligned)));

        // Halves add up in another order, so a mix is equal to rounding, which every denoising step carries on; a share that is wrong is of the order of what a
        // step learned.
        double learned = Distance(first, second), rounding = learned / 20;
        TestContext.Out.WriteLine($"a step: {learned:g3}");
        Assert.That(learned, Is.GreaterThan(1e-3));
        Assert.That(Distance(Videos(two with { Strength = 0.5 }, two with { Strength = 0.5 }), second), Is.LessThan(rounding), "two halves");
        Assert.That(Distance(Videos(two, one with { Strength = 0.5 }, one with { Strength = -0.5 }), second), Is.LessThan(rounding), "what cancels out");
        double[] ends = [.. new[] { first, second }.Select(end => Distance(Videos(one with { Strength = 0.5 }, two with { Strength = 0.5 }), end))];
        Assert.That(ends, Is.All.GreaterThan(rounding), "half of each");
    }

    [Test]
    public void WhatWasGeneratedFromFilesIsSavedAndLoaded()
    {
        string zip = Path.Combine(_folder, "generated.zip");
        using VideoAlignmentTransformer generated =
            _context.Transforms.GenerateVideo("Video", "Prompt", _model, s_options.Sampling, [new VideoLora(Path.Combine(_folder, "step-1.safetensors"))],
                s_options.Seed).Fit(Prompts);
        _context.Model.Save(generated, Prompts.Schema, zip);
        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Prompts)), Is.EqualTo(Values(generated)));
    }

    [Test]
    public void FilesOfAnotherModelAreRefusedByTheirKeys()
    {
        string path = Path.Combine(_folder, "other.safetensors");
        _aligned.SaveAdapters(path);
        using VideoDiffusionModel other = MovingShapesModels.ImageToVideo();
        Assert.That(
            () => _context.Transforms.GenerateVideo("Video", null, other, new VideoSamplingOptions { ImageColumnName = "Image" }, [new VideoLora(path)]).Fit(
                _context.Data.LoadFromEnumerable([new ImageRow { Image = "image.png" }])),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("another base"));
        Assert.That(() => new VideoLora(path) { Strength = double.PositiveInfinity }.Convert(_model, path + "2", LoraFormat.Peft),
            Throws.ArgumentException.With.Message.Contains("strength"));
        Assert.That(() => _aligned.SaveAdapters(path + ".pt", LoraFormat.Cloneofsimo),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("every layer"));
        Assert.That(File.Exists(path + ".pt"), Is.False);
    }

    private static double Distance(float[][] a, float[][] b) =>
        a.Zip(b).SelectMany(rows => rows.First.Zip(rows.Second)).Max(pair => Math.Abs(pair.First - pair.Second));

    private float[][] Values(VideoAlignmentTransformer transformer) => EstimatorContract.Values(transformer.Transform(Prompts));

    private float[][] Videos(params VideoLora[] loras) =>
        Values(_context.Transforms.GenerateVideo("Video", "Prompt", _model, s_options.Sampling, loras, s_options.Seed).Fit(Prompts));

    private sealed class ImageRow
    {
        public string Image { get; set; } = "";
    }
}
