using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Wan's folders (those of S20): how they are recognized, what is refused, and what the model does with images.</summary>
public class WanModelTests
{
    private const int TextLength = 6;

    private DisposeScope _scope = null!;

    [SetUp]
    public void Open() => _scope = NewDisposeScope();

    [TearDown]
    public void Close() => _scope.Dispose();

    [TestCase("t2v-unipc", ImageUse.None, 16)]
    [TestCase("t2v-two-experts", ImageUse.None, 16)]
    [TestCase("ti2v-t2v", ImageUse.Optional, 32)]
    [TestCase("i2v-clip", ImageUse.Optional, 16)]
    public void AFolderIsRecognizedAndCheckedBeforeItIsLoaded(string name, object images, int multiple)
    {
        var listing = new ModelListing(Source(name), []);
        Assert.That(WanModel.Definition.Recognizes(listing));
        Assert.That(() => WanModel.Definition.Check(listing, new VideoModelOptions()), Throws.Nothing);
        using var model = new VideoDiffusionModel(WanModel.Definition.Load(Source(name), new VideoModelOptions(), default));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((model.Family, model.Images, model.SizeMultiple), Is.EqualTo(("Wan", (ImageUse)images, multiple)));
            Assert.That(model.Hash, Has.Length.EqualTo(64));
            Assert.That(model.SizeFault(model.DefaultSize), Is.Null);
            Assert.That(model.SizeFault(new VideoSize(16, 48, 2 * multiple)), Does.Contain("got 16; try 13 or 17"));
            Assert.That(model.SizeFault(new VideoSize(5, multiple, multiple + 8)), Does.Contain($"try {multiple}"));
        }
    }

    [Test]
    public void WhatAFolderLacksIsSaid()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Refusal("t2v-two-experts", without: "transformer_2"), Does.Contain("has no transformer_2/").And.Contain("boundary_ratio 0.875"));
            Assert.That(Refusal("t2v-two-experts", index: ("0.875", "null")), Does.Contain("has transformer_2/").And.Contain("no boundary_ratio"));
            Assert.That(Refusal("t2v-two-experts", index: ("0.875", "1.5")), Does.Contain("boundary_ratio"));
            Assert.That(Refusal("i2v-clip", index: ("WanImageToVideoPipeline", "WanPipeline")), Does.Contain("12 channels").And.Contain("videos from images"));
            Assert.That(Refusal("t2v-unipc", index: ("WanPipeline", "WanImageToVideoPipeline")), Does.Contain("4 channels, which leaves none for an image"));
            Assert.That(Refusal("i2v-clip", without: "image_encoder"), Does.Contain("has no folder 'image_encoder'"));
            Assert.That(Refusal("t2v-unipc", without: "text_encoder"), Does.Contain("has no folder 'text_encoder'"));
        }
    }

    /// <summary>Peers adapt queries, keys, values, outputs and both layers of the feed-forward; with an image branch its keys and values too.</summary>
    [TestCase("t2v-unipc", 8, 10)]
    [TestCase("i2v-clip", 10, 12)]
    [TestCase("t2v-two-experts", 16, 20)]
    public void LoraNamesChooseLayersOfEveryBlockAndExpert(string name, int attention, int all)
    {
        using VideoDiffusionModel model = Load(name);
        Assert.That(model.LoraVocabulary.AttentionQkvOut.Select(model.Denoiser), Has.Count.EqualTo(2 * attention));
        Assert.That(model.LoraVocabulary.AttentionAndFeedForward.Select(model.Denoiser), Has.Count.EqualTo(2 * all));
    }

    [Test]
    public void AWrongNumberOfImagesIsRefused()
    {
        using VideoDiffusionModel one = Load("i2v-clip"), both = Load("i2v-first-last"), either = Load("i2v-two-experts"), optional = Load("ti2v-i2v");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => one.RequireImages("a", 0, 1), Throws.TypeOf<FormatException>().With.Message.Contains("has 0 images; this model expects 1"));
            Assert.That(() => one.RequireImages("a", 1, 3), Throws.Nothing);
            Assert.That(() => one.RequireImages("a", 2, 1), Throws.TypeOf<FormatException>());
            Assert.That(() => both.RequireImages("a", 1, 1), Throws.TypeOf<FormatException>().With.Message.Contains("and the last"));
            Assert.That(() => either.RequireImages("a", 2, 1), Throws.Nothing);
            Assert.That(() => either.RequireImages("a", 2, 2), Throws.TypeOf<FormatException>().With.Message.Contains("2 segments"));
            Assert.That(() => optional.RequireImages("a", 0, 1), Throws.Nothing);
            Assert.That(() => optional.RequireImages("a", 2, 1), Throws.TypeOf<FormatException>().With.Message.Contains("expects 0 or 1"));
            Assert.That(
                () => one.Encode(Request(one, [Image(1)], [])), Throws.ArgumentException.With.Message.Contains("got 1, 0. Give each row an image"));
        }
    }

    /// <summary>A row without an image is made as if no row had one.</summary>
    [Test]
    public void AnImageIsTheFirstLatentFrameOfItsRowAlone()
    {
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = Load("ti2v-i2v");
        VideoRequest request = Request(model, [], [Image(1)]);
        long[] shape = model.LatentShape(2, request.Size);
        Condition condition = model.Encode(request), texts = model.EncodeTexts(request);
        Tensor latents = Ramp.Values(3, shape);
        Assert.That(condition.FrameMask!.Equals(tensor(new float[,] { { 1, 1, 1 }, { 0, 1, 1 } })));
        Assert.That(model.Begin(latents, condition).Equals(latents), "the sampler steps what nothing was put into");
        Tensor finished = model.Finish(latents, condition);
        Assert.That(finished[0].Equals(latents[0]));
        Assert.That(finished[1, .., 1..].Equals(latents[1, .., 1..]));
        Assert.That(finished[1, .., 0].Equals(condition.ImageLatents![1, .., 0]));
        Assert.That(model.Finish(latents, texts).Equals(latents));
        Tensor given = model.Predict(latents, 500, condition), free = model.Predict(latents, 500, texts);
        Assert.That(Distance(given[0], free[0]), Is.LessThan(1e-5));
        Assert.That(Distance(given[1], free[1]), Is.GreaterThan(1e-3));
    }

    /// <summary>A further segment begins with the frame that is handed on, whatever the row's image was, and its gradient goes into that frame.</summary>
    [TestCase("i2v-clip")]
    [TestCase("ti2v-i2v")]
    public void AFrameThatIsHandedOnTakesTheImagesPlace(string name)
    {
        using VideoDiffusionModel model = Load(name);
        Tensor handed = stack([Image(2)(), Image(3)()]);
        Condition expected = model.Encode(Request(model, [Image(2)], [Image(3)]));
        Tensor[] gradients = [.. new[] { ActivationMemory.Keep, ActivationMemory.Recompute }.Select(memory =>
        {
            using IDisposable blocks = Recompute.BeginScope(memory);
            Tensor leaf = handed.clone().requires_grad_(true);
            Condition condition = model.Encode(Request(model, [Image(1)], [Image(1)]) with { Images = leaf, Segment = 1 });
            Assert.That(Distance(condition.ImageLatents!.detach(), expected.ImageLatents!.detach()), Is.LessThan(1e-5));
            Tensor sum = (condition.ImageLatents * Ramp.Values(4, condition.ImageLatents!.shape)).sum();
            sum = condition.ImageStates is { } states ? sum + (states * Ramp.Values(5, states.shape)).sum() : sum;
            Recompute.Backward(sum);
            return leaf.grad!;
        })];
        Assert.That(gradients[0].abs().amax([1, 2, 3]).min().item<float>(), Is.GreaterThan(0), "of each row");
        Assert.That(Distance(gradients[1], gradients[0]), Is.LessThan(1e-5), "recomputed");
    }

    /// <summary>Samples of one batch may be at timesteps of their own (ReFL, DRTune): each has the scale of its expert.</summary>
    [Test]
    public void EachSampleIsGuidedWithTheScaleOfItsExpert()
    {
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = Load("t2v-two-experts");
        VideoRequest request = Request(model, [], []);
        var sampling = new SamplingSettings { Size = request.Size, Steps = 2, GuidanceScale = 4, LowNoiseGuidanceScale = 2.5 };
        Condition condition = model.Encode(request), unconditional = model.EncodeUnconditional(request, condition);
        Tensor latents = Ramp.Values(3, model.LatentShape(2, request.Size));
        Tensor Guided(SamplingSettings settings, Func<Guidance, Tensor> predict)
        {
            using var guidance = new Guidance(model, condition, unconditional, settings);
            return predict(guidance);
        }

        Tensor each = Guided(sampling, guidance => guidance.Predict(latents, [900, 300]));
        Tensor high = Guided(sampling with { LowNoiseGuidanceScale = null }, guidance => guidance.Predict(latents, 900));
        Tensor low = Guided(sampling with { GuidanceScale = 2.5, LowNoiseGuidanceScale = null }, guidance => guidance.Predict(latents, 300));
        Assert.That(Distance(each[0], high[0]), Is.LessThan(1e-5));
        Assert.That(Distance(each[1], low[1]), Is.LessThan(1e-5));
        Assert.That(Distance(Guided(sampling, guidance => guidance.Predict(latents, 300)), low), Is.LessThan(1e-5));
        Assert.That(Distance(Guided(sampling with { LowNoiseGuidanceScale = null }, guidance => guidance.Predict(latents, 300)), low),
            Is.GreaterThan(1e-3));
    }

    /// <summary>What estimates are made from has the shapes of what runs are made of.</summary>
    [TestCase("i2v-clip")]
    [TestCase("i2v-two-experts")]
    [TestCase("ti2v-t2v")]
    public void AnEmptyConditionHasTheShapesOfAFullOne(string name)
    {
        using IDisposable guard = no_grad();
        using VideoDiffusionModel model = Load(name);
        VideoRequest request = name == "ti2v-t2v" ? Request(model, [], []) : Request(model, [Image(1)], [Image(2)]);
        Condition full = model.Encode(request), empty = model.EmptyCondition(2, request.Size);
        static string Shape(Tensor? tensor) => tensor is null ? "none" : string.Join(" ", tensor.shape);
        Assert.That(
            (Shape(empty.Text), Shape(empty.ImageLatents), Shape(empty.ImageStates)),
            Is.EqualTo((Shape(full.Text), Shape(full.ImageLatents), Shape(full.ImageStates))));
    }

    private static string Source(string name) => Path.Combine(
        ConformanceCase.All().First(testCase => testCase.ToString() == $"S20-wan-pipelines/{name}").Folder, "model");

    private static VideoDiffusionModel Load(string name) =>
        new(WanModel.FromFolder(Source(name), variant: null, Placement.Cpu, TextLength, TextEncoderLoading.Memory));

    /// <summary>Two rows with the images given, of 9 frames.</summary>
    private static VideoRequest Request(VideoDiffusionModel model, Func<Tensor>[] first, Func<Tensor>[] second) => new()
    {
        Prompts = ["a cat", "the dog"],
        Size = new VideoSize(9, model.SizeMultiple, 2 * model.SizeMultiple),
        References = [first, second],
        Noise = _ => throw new InvalidOperationException("nothing is drawn"),
    };

    /// <summary>An image [3, 32, 64] of numbers in [0, 1], which is resized.</summary>
    private static Func<Tensor> Image(int seed) => () => (Ramp.Values(seed, 3, 32, 64) + 1) / 2;

    private static double Distance(Tensor actual, Tensor expected) => WanVaeTiny.Distance(
        actual.to_type(ScalarType.Float64), expected.to_type(ScalarType.Float64));

    private static string Refusal(string model, string? without = null, (string Old, string New)? index = null)
    {
        using var folder = new TemporaryFolder();
        string source = Source(model);
        string[] names = [.. Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(source, file))];
        foreach (string name in names.Where(name => without is null || !name.StartsWith($"{without}{Path.DirectorySeparatorChar}", StringComparison.Ordinal)))
        {
            string copy = folder.Path(name);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Path.Combine(source, name), copy);
        }

        if (index is { } edit)
        {
            string path = folder.Path("model_index.json");
            File.WriteAllText(path, File.ReadAllText(path).Replace(edit.Old, edit.New, StringComparison.Ordinal));
        }

        return Assert.Catch(() => WanModel.FromFolder($"{folder}", variant: null, Placement.Cpu, TextLength).Dispose())!.Message;
    }
}
