using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class OpenSoraPipelineTests
{
    private static readonly string[] s_parts = ["transformer", "vae", "text_encoder"];

    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("opensora").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void FromPretrainedRecognizesTheFolder()
    {
        CopyModel(_folder);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(_folder);
        Assert.That((model.Family, model.Source, model.DefaultSize), Is.EqualTo(("OpenSora", _folder, new VideoSize(51, 276, 368))));
        Assert.That(model.Hash, Has.Length.EqualTo(64));
        Assert.That(model.LatentShape(2, model.DefaultSize), Is.EqualTo(new long[] { 2, 4, 15, 34, 46 }));
        Assert.That(model.OutputSize(new VideoSize(51, 240, 426)), Is.EqualTo(new VideoSize(51, 240, 424)));
    }

    [TestCase("text_encoder")]
    [TestCase("vae")]
    public void AMissingPartIsNamed(string part)
    {
        CopyModel(_folder);
        Directory.Delete(Path.Combine(_folder, part), recursive: true);
        Assert.That(() => VideoDiffusionModel.FromPretrained(_folder),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains($"'{part}'").And.Message.Contains("transformer"));
    }

    [Test]
    public void TheDenoiserAloneIsRefusedWithWhatIsExpected()
    {
        CopyModel(_folder);
        Assert.That(
            () => VideoDiffusionModel.FromPretrained(Path.Combine(_folder, "transformer")),
                Throws.InstanceOf<WeightFileException>().With.Message.Contains("text_encoder/"));
    }

    [TestCase("transformer/model.safetensors")]
    [TestCase("vae/model.safetensors")]
    [TestCase("text_encoder/model.safetensors")]
    public void ACutFileIsRefusedWhenTheModelIsLoaded(string file)
    {
        CopyModel(_folder);
        using (FileStream weights = File.OpenWrite(Path.Combine(_folder, file)))
        {
            weights.SetLength(weights.Length - 200);
        }

        Assert.That(() => VideoDiffusionModel.FromPretrained(_folder), Throws.InstanceOf<WeightFileException>().With.Message.Contains(Path.GetFileName(file)));
    }

    [Test]
    public void AMissingOrCutShardOfTheTextEncoderIsRefusedWhenTheModelIsLoaded()
    {
        CopyModel(_folder, "opensora-image");
        string shard = Directory.EnumerateFiles(Path.Combine(_folder, "text_encoder"), "pytorch_model-*.bin").Order(StringComparer.Ordinal).Last();
        byte[] bytes = File.ReadAllBytes(shard);
        File.WriteAllBytes(shard, bytes[..(bytes.Length / 2)]);
        Assert.That(() => VideoDiffusionModel.FromPretrained(_folder), Throws.InstanceOf<WeightFileException>().With.Message.Contains(Path.GetFileName(shard)));
        File.Delete(shard);
        Assert.That(() => VideoDiffusionModel.FromPretrained(_folder), Throws.Exception.With.Message.Contains(Path.GetFileName(shard)));
    }

    [Test]
    public void TheWrongWeightsAreNamedByTheirKeys()
    {
        CopyModel(_folder);
        File.Copy(Path.Combine(_folder, "vae", "model.safetensors"), Path.Combine(_folder, "transformer", "model.safetensors"), overwrite: true);
        Assert.That(() => VideoDiffusionModel.FromPretrained(_folder), Throws.InstanceOf<WeightFileException>().With.Message.Contains("rope.freqs"));
    }

    [TestCase(5, 32, 32, "try 1")]
    [TestCase(12, 32, 32, "try 17")]
    [TestCase(17, 4, 32, "try 8 and 32")]
    public void SizesItCannotMakeAreRefusedWithTheNearest(int frames, int height, int width, string hint)
    {
        CopyModel(_folder);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(_folder);
        Assert.That(model.SizeFault(new VideoSize(frames, height, width)), Does.Contain(hint));
        Assert.That(
            () => new VideoAlignmentOptions { Sampling = new() { Frames = frames, Height = height, Width = width } }.ValidateFor(model),
            Throws.ArgumentException.With.Message.Contains(hint));
    }

    [Test]
    public void WhatItDoesNotReadIsRefused()
    {
        CopyModel(_folder);
        using VideoDiffusionModel model = new VideoDiffusionModel(OpenSoraModel.FromFolder(_folder, variant: null, Placement.Cpu));
        using DisposeScope scope = NewDisposeScope();
        VideoRequest request = Request("a dog");
        Condition condition = model.Encode(request);
        Assert.That(() => model.EncodeUnconditional(request with { NegativePrompt = "blur" }, condition),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("blur"));
        Assert.That(() => model.Encode(Request("""a dog {"reference_path": "dog.png"}""")),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("dog.png"));
        Assert.That(() => model.SwapScheduler("DDIMScheduler"), Throws.InstanceOf<NotSupportedException>().With.Message.Contains("DDIMScheduler"));
    }

    [Test]
    public void PromptsOfABatchStayApart()
    {
        CopyModel(_folder);
        using VideoDiffusionModel model = new VideoDiffusionModel(OpenSoraModel.FromFolder(_folder, variant: null, Placement.Cpu));
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor z = Ramp.Values(1, 2, 4, 6, 2, 3);
        Tensor both = model.Predict(z, 400, model.Encode(Request("a dog", "two cats that play chess by the river at night")));
        Tensor first = model.Predict(z[..1], 400, model.Encode(Request("a dog")));
        Assert.That(both.shape, Is.EqualTo(z.shape));
        Assert.That((both[..1] - first).abs().max().item<float>(), Is.LessThan(1e-5f));
    }

    [Test]
    public void WeightsHeldInHalfThePrecisionGiveNearlyTheSame()
    {
        CopyModel(_folder);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor[] frames = [.. new[] { WeightPrecision.Float32, WeightPrecision.BFloat16 }.Select(precision =>
        {
            using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(_folder, new VideoModelOptions { Precision = precision });
            Tensor velocity = model.Predict(Ramp.Values(1, 1, 4, 6, 2, 3), 400, model.Encode(Request("a dog")));
            return model.Decode(velocity, 20, [3, 18]);
        })];
        Assert.That(frames[1].dtype, Is.EqualTo(ScalarType.Float32));
        Assert.That((frames[1] - frames[0]).abs().max().item<float>(), Is.InRange(1e-6f, 0.1f * frames[0].abs().max().item<float>()));
    }

    private static VideoRequest Request(params string[] prompts) => new()
    {
        Prompts = prompts,
        Size = new VideoSize(20, 16, 24),
        FramesPerSecond = 24,
        Noise = _ => throw new InvalidOperationException("no noise is drawn for the text"),
    };

    /// <summary>The folder of an S12 case, without the case.</summary>
    internal static void CopyModel(string target, string given = "opensora-t2v")
    {
        string source = ConformanceCase.All().First(testCase => testCase.ToString() == $"S12-pipelines/{given}").Folder;
        foreach (string file in s_parts.SelectMany(part => Directory.EnumerateFiles(Path.Combine(source, part))))
        {
            string copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
