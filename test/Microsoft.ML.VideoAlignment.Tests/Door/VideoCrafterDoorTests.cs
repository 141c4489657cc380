using System.Text.Json;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The whole walk on a real VideoCrafter checkpoint, by public API only, and what happens when its files are not those.</summary>
public class VideoCrafterDoorTests
{
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Sampling = new() { Frames = 2, Steps = 2, GuidanceScale = 3 },
        Lora = new() { Rank = 2, Layers = LoraLayers.AttentionQkv },
        Optimizer = new() { Steps = 2 },
    };

    private string _folder = null!;

    private string Model => Path.Combine(_folder, "model");

    private string Checkpoint => Path.Combine(Model, "model.ckpt");

    private string Config => Path.Combine(Model, "config.yaml");

    private string Vocabulary => Path.Combine(Model, "tokenizer");

    private string Zip => Path.Combine(_folder, "aligned.zip");

    /// <summary>
    /// The S12 checkpoint whose text tower has 60 tokens: the 26 letters, inside and at the end of a word, fit into them as a real vocabulary would not.
    /// </summary>
    [SetUp]
    public void CopyTheModel()
    {
        _folder = Directory.CreateTempSubdirectory("door").FullName;
        string given = ConformanceCase.All().First(testCase => testCase.ToString().EndsWith("videocrafter-deepspeed", StringComparison.Ordinal)).Folder;
        Directory.CreateDirectory(Model);
        foreach (string name in new[] { "model.ckpt", "config.yaml", "tiny-text.json" })
        {
            File.WriteAllBytes(Path.Combine(Model, name), File.ReadAllBytes(Path.Combine(given, name)));
        }

        WriteVocabulary(end: 59);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ASavedAlignmentGivesTheSameVideosInAFreshContext()
    {
        float[][] videos = AlignAndSave(s_options, Model);
        Assert.That(videos, Has.Length.EqualTo(2));
        Assert.That(videos[0], Has.Length.EqualTo(2 * 3 * 24 * 16)); // image_size 6 x 4, decoder factor 4
        Assert.That(videos.SelectMany(video => video), Is.All.InRange(0f, 1f));
        Assert.That(videos[0], Is.Not.EqualTo(videos[1]));
        Assert.That(Reloaded(), Is.EqualTo(videos));
    }

    [Test]
    public void TheBaseModelInsideTheZipNeedsNoFolder()
    {
        float[][] videos = AlignAndSave(s_options with { IncludeBaseModel = true }, Checkpoint);
        Directory.Delete(Model, recursive: true);
        Assert.That(Reloaded(), Is.EqualTo(videos));
    }

    /// <summary>Half precision shows in the videos, and without the two paths there is no model at all.</summary>
    [Test]
    public void WhatTheModelWasLoadedWithIsUsedAgain()
    {
        string elsewhere = Directory.CreateDirectory(Path.Combine(_folder, "elsewhere")).FullName;
        Directory.Move(Vocabulary, Path.Combine(elsewhere, "tokenizer"));
        File.Move(Config, Path.Combine(elsewhere, "settings.yaml"));
        var loading = new VideoModelOptions
        {
            Precision = WeightPrecision.BFloat16,
            TokenizerPath = Path.Combine(elsewhere, "tokenizer"),
            ConfigurationPath = Path.Combine(elsewhere, "settings.yaml"),
        };
        float[][] videos = AlignAndSave(s_options, Checkpoint, loading);
        Assert.That(AlignAndSave(s_options, Checkpoint, loading with { Precision = WeightPrecision.Float32 }), Is.Not.EqualTo(videos));
        AlignAndSave(s_options, Checkpoint, loading);
        Assert.That(Reloaded(), Is.EqualTo(videos));
    }

    /// <summary>Its own sampler is a policy as it stands.</summary>
    [TestCaseSource(typeof(AlgorithmTests), nameof(AlgorithmTests.Algorithms))]
    public void AlgorithmsThatLearnFromScoresTakeItToo(AlignmentAlgorithm algorithm) =>
        Assert.That(AlignAndSave(s_options with { Algorithm = algorithm }, Model).SelectMany(video => video), Is.All.InRange(0f, 1f));

    [Test]
    public void EveryVideoOfABatchCanBeAtItsOwnTime()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        OwnTimes.Check(model, new SamplingSettings { Size = new VideoSize(2, 16, 16), Steps = 2, GuidanceScale = 1, FramesPerSecond = 24 });
    }

    [Test]
    public void EveryFormOfTheFileGivesTheSameModel()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        float[] expected = Prediction();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using (IWeightSource source = WeightFile.Open(Checkpoint, "module"))
        {
            foreach (string name in source.Entries.Keys)
            {
                tensors[name[16..]] = source.Read(name);
            }
        }

        IReadOnlyDictionary<string, Tensor> shifted = tensors.ToDictionary(pair => $"any-16-character{pair.Key}", pair => pair.Value, StringComparer.Ordinal);
        TorchZipWriter.Write(Checkpoint, tensors);
        Assert.That(Prediction(), Is.EqualTo(expected), "bare");
        TorchZipWriter.Write(Checkpoint,
            new Dictionary<string, IReadOnlyDictionary<string, Tensor>> { ["callbacks"] = new Dictionary<string, Tensor>(), ["state_dict"] = tensors });
        Assert.That(Prediction(), Is.EqualTo(expected), "state_dict");
        TorchZipWriter.Write(Checkpoint,
            new Dictionary<string, IReadOnlyDictionary<string, Tensor>> { ["module"] = shifted, ["state_dict"] = new Dictionary<string, Tensor>() });
        Assert.That(Prediction(), Is.EqualTo(expected), "module");
    }

    [Test]
    public void TheDefaultsAreVadersAndTheYamls()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        Assert.That((model.Family, model.DefaultSize, model.SizeMultiple), Is.EqualTo(("VideoCrafter", new VideoSize(16, 24, 16), 8)));
        Assert.That(model.Source, Is.EqualTo(Model));
        SamplingSettings sampling = new VideoAlignmentOptions().ResolveSampling(model);
        Assert.That((sampling.Steps, sampling.GuidanceScale, sampling.Eta, sampling.FramesPerSecond), Is.EqualTo((25, 12.0, 1.0, 24.0)));
        Assert.That(VideoCrafterConfig.VideoCrafter2.LatentSize, Is.EqualTo((40L, 64L)));
    }

    [Test]
    public void FramesPerSecondAreHeard()
    {
        float[][] Videos(double rate) => AlignAndSave(
            s_options with { Sampling = s_options.Sampling with { FramesPerSecond = rate }, Optimizer = s_options.Optimizer with { Steps = 1 } }, Model);
        Assert.That(Videos(8), Is.Not.EqualTo(Videos(24)));
    }

    [Test]
    public void WeightsCanBeHeldInHalf()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        float[] full = Prediction(), half = Prediction(new VideoModelOptions { Precision = WeightPrecision.Float16 });
        Assert.That(half, Is.EqualTo(full).Within(1e-6)); // the file holds float16
    }

    [Test]
    public void ACheckpointOfAnotherVersionIsRefusedWithTheFirstDifferingNames()
    {
        Rewrite("temporal_conv: true", "temporal_conv: false");
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains("of another version").And.Message.Contains("temopral_conv")
            .And.Message.Contains("config.yaml"));
        File.Delete(Config);
        Assert.That(Opening,
            Throws.TypeOf<WeightFileException>().With.Message.Contains("VideoCrafter2").And.Message.Contains("Put its own config.yaml beside it"));
    }

    [Test]
    public void AScheduleThatIsNotTheCheckpointsIsRefused()
    {
        Rewrite("linear_end: 0.012", "linear_end: 0.02");
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains("schedule").And.Message.Contains("betas["));
    }

    [Test]
    public void AScaleArrayThatIsNotTheCheckpointsIsRefused()
    {
        Rewrite("scale_b: 0.5", "scale_b: 0.7");
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains("scale_arr["));
    }

    [TestCase("UNetModel", "UNetModel3D", "unet_config")]
    [TestCase("FrozenOpenCLIPEmbedder", "FrozenT5Embedder", "FrozenT5Embedder")]
    [TestCase("uncond_type: empty_seq", "uncond_type: zero_embed", "uncond_type")]
    [TestCase("layer: penultimate", "layer: first", "layer")]
    [TestCase("arch: tiny-text", "arch: ViT-L-14", "ViT-L-14.json")]
    [TestCase("model:", "models:", "model")]
    public void AYamlOfAnotherModelIsRefusedByName(string old, string changed, string named)
    {
        Rewrite(old, changed);
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains(named).And.Message.Contains("config.yaml"));
    }

    [TestCase(0.99)]
    [TestCase(0.5)]
    [TestCase(0.001)]
    public void ATruncatedCheckpointIsRefused(double part)
    {
        byte[] bytes = File.ReadAllBytes(Checkpoint);
        File.WriteAllBytes(Checkpoint, bytes[..(int)(bytes.Length * part)]);
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains("model.ckpt"));
    }

    [Test]
    public void AnotherFileUnderTheNameIsRefusedWithWhatItLooksLike()
    {
        using DisposeScope scope = NewDisposeScope();
        TorchZipWriter.Write(Checkpoint, new Dictionary<string, Tensor> { ["base_model.model.to_q.lora_A.weight"] = zeros(2, 4) });
        Assert.That(Opening, Throws.TypeOf<WeightFileException>().With.Message.Contains("LoRA"));
    }

    [Test]
    public void AMissingVocabularyIsNamed()
    {
        Directory.Move(Vocabulary, Path.Combine(_folder, "elsewhere"));
        Assert.That(Opening,
            Throws.TypeOf<FileNotFoundException>().With.Message.Contains("bpe_simple_vocab_16e6.txt.gz").And.Message.Contains("TokenizerPath"));
        using VideoDiffusionModel model =
            VideoDiffusionModel.FromPretrained(Model, new VideoModelOptions { TokenizerPath = Path.Combine(_folder, "elsewhere") });
        Assert.That(model.CountTruncated("a red circle", segments: 1), Is.EqualTo(3)); // ten letters in a context of nine
    }

    [Test]
    public void AVocabularyLargerThanTheTextTowerIsRefused()
    {
        WriteVocabulary(end: 60);
        Assert.That(Opening, Throws.TypeOf<InvalidDataException>().With.Message.Contains("60").And.Message.Contains("0 to 59"));
    }

    [TestCase("Height", "Height must be a multiple of 8")]
    [TestCase("Sampling.Steps", "divides 1000")]
    [TestCase("Sampler", "lvdm.DDIMSampler")]
    public void WhatTheModelCannotDoIsSaidBeforeAnythingIsDone(string option, string said)
    {
        VideoAlignmentOptions options = option switch
        {
            "Height" => s_options with { Sampling = s_options.Sampling with { Height = 20 } },
            "Sampling.Steps" => s_options with { Sampling = s_options.Sampling with { Steps = 27 } },
            _ => s_options with { Sampling = s_options.Sampling with { Sampler = "DDIMScheduler" } },
        };
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward = Redness();
        Assert.That(
            () => new MLContext().Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options),
            Throws.ArgumentException.With.Message.Contains(option).And.Message.Contains(said));
    }

    private static IDataView Prompts(MLContext context) =>
        context.Data.LoadFromEnumerable(new[] { "a red circle", "blue" }.Select(prompt => new PromptRow { Prompt = prompt }).ToList());

    private static VideoReward Redness() =>
        VideoRewards.Custom("redness", (frames, _) => frames.select(1, 0).mean([1L, 2L, 3L]) - frames.select(1, 2).mean([1L, 2L, 3L]));

    private float[][] AlignAndSave(VideoAlignmentOptions options, string path, VideoModelOptions? loading = null)
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(path, loading);
        using VideoReward reward = Redness();
        IDataView prompts = Prompts(context);
        using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(prompts);
        context.Model.Save(aligned, prompts.Schema, Zip);
        return EstimatorContract.Values(aligned.Transform(prompts));
    }

    private float[][] Reloaded()
    {
        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        return EstimatorContract.Values(((ITransformer)loaded).Transform(Prompts(fresh)));
    }

    private void Opening() => VideoDiffusionModel.FromPretrained(Model).Dispose();

    /// <summary>The denoiser's answer to a prompt.</summary>
    private float[] Prediction(VideoModelOptions? options = null)
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Checkpoint, options);
        var sampling = new SamplingSettings { Size = new VideoSize(2, 16, 16), Steps = 2, GuidanceScale = 1, FramesPerSecond = 24 };
        Condition condition = model.Encode(sampling.Request(["a red circle"], _ => throw new InvalidOperationException("nothing is drawn")));
        return model.Predict(Ramp.Values(1, model.LatentShape(1, sampling.Size)), 500, condition).data<float>().ToArray();
    }

    private void Rewrite(string old, string changed)
    {
        string yaml = File.ReadAllText(Config);
        Assert.That(yaml, Does.Contain(old));
        File.WriteAllText(Config, yaml.Replace(old, changed, StringComparison.Ordinal));
    }

    private void WriteVocabulary(int end)
    {
        string[] letters = [.. Enumerable.Range('a', 26).Select(letter => ((char)letter).ToString())];
        Dictionary<string, int> ids = letters.Concat(letters.Select(letter => $"{letter}</w>")).Index().ToDictionary(pair => pair.Item, pair => pair.Index);
        (ids["<|startoftext|>"], ids["<|endoftext|>"]) = (end - 1, end);
        Directory.CreateDirectory(Vocabulary);
        File.WriteAllText(Path.Combine(Vocabulary, "vocab.json"), JsonSerializer.Serialize(ids));
        File.WriteAllText(Path.Combine(Vocabulary, "merges.txt"), "#version: 0.2\n");
    }
}
