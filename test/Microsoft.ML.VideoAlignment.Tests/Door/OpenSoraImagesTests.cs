using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Images for Open-Sora by public API: a column of them, files that prompts name, and videos of several segments.</summary>
public class OpenSoraImagesTests
{
    private const int Height = 16;
    private const int Width = 24;

    /// <summary>21 rows of pixels do not fill latents of 8: the video has 16.</summary>
    private static readonly VideoAlignmentOptions s_options = new()
    {
        Frames = 17,
        Height = 21,
        Width = Width,
        InferenceSteps = 2,
        Steps = 2,
        LoraRank = 2,
        LoraLayers = LoraLayers.AttentionQkv,
    };

    private string _folder = null!;

    private string Model => Path.Combine(_folder, "model");

    private string Images => Path.Combine(_folder, "images");

    private string Zip => Path.Combine(_folder, "aligned.zip");

    [SetUp]
    public void CopyTheModel()
    {
        _folder = Directory.CreateTempSubdirectory("door").FullName;
        OpenSoraPipelineTests.CopyModel(Model);
        Directory.CreateDirectory(Path.Combine(Images, "ships"));
        Save("ships/one.png", 1);
        Save("two.png", 2);
        Save("large.png", 3, times: 2);
        File.WriteAllText(Path.Combine(_folder, "outside.png"), "");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(1, false)]
    [TestCase(3, false)]
    [TestCase(3, true)]
    public void ASavedAlignmentGivesTheSameVideosInAFreshContext(int segments, bool includeBaseModel)
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward = Redness();
        IDataView rows = Rows(context);
        VideoAlignmentOptions options = s_options with { ImageColumnName = "Image", SegmentCount = segments, IncludeBaseModel = includeBaseModel };
        using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(rows);
        Assert.That(aligned.Size, Is.EqualTo(new VideoSize(17 * segments, Height, Width)));
        context.Model.Save(aligned, rows.Schema, Zip);
        float[][] videos = EstimatorContract.Values(aligned.Transform(rows));
        Assert.That(videos.Select(video => video.Length), Is.All.EqualTo(segments * 17 * 3 * Height * Width));
        using VideoAlignmentTransformer unaligned = aligned.WithoutAlignment("Video");
        Assert.That(EstimatorContract.Values(unaligned.Transform(rows)), Is.Not.EqualTo(videos), "training changed the videos");
        if (includeBaseModel)
        {
            Directory.Delete(Model, recursive: true);
        }

        var fresh = new MLContext();
        fresh.RegisterVideoAlignment();
        using var loaded = (IDisposable)fresh.Model.Load(Zip, out _);
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Rows(fresh))), Is.EqualTo(videos));
        Assert.That(EstimatorContract.Values(((ITransformer)loaded).Transform(Paths(fresh))), Is.EqualTo(videos), "another row class, whose images are files");
    }

    [Test]
    public void TheImageDecidesTheVideoAndIsItsFirstFrame()
    {
        var context = new MLContext(seed: 1);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        float[] Video(ImageRow row)
        {
            IDataView rows = context.Data.LoadFromEnumerable(new[] { row });
            using VideoAlignmentTransformer generated =
                context.Transforms.GenerateVideo("Video", "Prompt", model, s_options with { Height = Height, ImageColumnName = "Image" }).Fit(rows);
            return EstimatorContract.Values(generated.Transform(rows))[0];
        }

        // All else equal: one prompt, one seed.
        (float[] first, float[] second) = (Flat(1), Flat(0));
        float[][] videos = [Video(new ImageRow { Prompt = "a ship", Image = first }), Video(new ImageRow { Prompt = "a ship", Image = second })];
        Assert.That(videos[0], Is.Not.EqualTo(videos[1]));
        using VideoAlignmentTransformer plain =
            context.Transforms.GenerateVideo("Video", "Prompt", model, s_options with { Height = Height }).Fit(Texts(context, "a ship"));
        Assert.That(EstimatorContract.Values(plain.Transform(Texts(context, "a ship")))[0], Is.Not.EqualTo(videos[0]).And.Not.EqualTo(videos[1]));
    }

    /// <summary>A file that a prompt names is read as a column's image is.</summary>
    [Test]
    public void ANamedImageIsTheImageOfAColumn()
    {
        using VideoDiffusionModel model = Open();
        SamplingSettings sampling = s_options.ResolveSampling(model);
        var said = new List<string>();
        var images = new PromptImages(model, sampling, said.Add);
        VideoPrompt named = images.Resolve("""a ship {"reference_path": "ships/one.png"}""");
        VideoPrompt whole = images.Resolve("""a ship {"reference_path": "ships/one.png; large.png", "mask_strategy": "0,1,0,0,1,0"}""");
        VideoPrompt column = images.Resolve("a ship", () => MlImagePixels.Read(MLImage.CreateFromFile(Path.Combine(Images, "ships", "one.png"))).ToTensor());
        using DisposeScope scope = NewDisposeScope();
        Tensor video = Video(column), other = Video(images.Resolve("a ship"));
        Assert.That(Video(named).Equals(video));
        Assert.That(other.Equals(video), Is.False);
        Assert.That(whole.Images, Has.Count.EqualTo(2));
        Assert.That(Video(whole).Equals(video), Is.False, "the second of two is given");
        Assert.That(said, Is.All.Contains("large.png").And.All.Contains("32 x 48 (height x width) is resized to the video's 16 x 24"));

        Tensor Video(VideoPrompt prompt) => new VideoGenerator(model, sampling).Generate([prompt], [7]);
    }

    [TestCase("""a ship {"reference_path": "ships/three.png"}""", "no image", "three.png")]
    [TestCase("""a ship {"reference_path": "../outside.png"}""", "stays inside", "ReferenceFolder")]
    [TestCase("""a ship {"reference_path": "ships/../../outside.png"}""", "stays inside", "../../outside.png")]
    [TestCase("""a ship {"reference_path": "/etc/hostname"}""", "stays inside", "/etc/hostname")]
    [TestCase("""a ship {"reference_path": "https://a.com/b.png"}""", "stays inside", "https://a.com/b.png")]
    [TestCase("""a ship {"reference_path": "ships/one.MP4"}""", "video", "only images")]
    [TestCase("""a ship {"reference_path": "two.png", "mask_strategy": "0,1"}""", "names reference 1", "1, counted from 0")]
    [TestCase("""a ship {"mask_strategy": "0"}""", "names reference 0", "has none")]
    [TestCase("""a ship {"reference_path": "two.png", "mask_strategy": "3"}""", "does nothing in a video of 1 segment", "leave the strategy out")]
    [TestCase("""a ship {"reference_path": "two.png", "mask_strategy": "0,0,0,0,1,1"}""", "edit ratio 1", "below 1")]
    [TestCase("""a ship {"reference_path": "two.png", "mask_strategy": "0,x"}""", "field 2", "whole number")]
    public void WhatCannotBeGivenIsRefusedBeforeAnythingIsMade(string prompt, string what, string more)
    {
        using VideoDiffusionModel model = Open();
        using VideoReward reward = Redness();
        var context = new MLContext(seed: 1);
        var made = new Progress();
        VideoAlignmentOptions options = s_options with { Progress = made };
        Assert.That(() => context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(Texts(context, "a dog", prompt)),
            Throws.Exception.With.Message.Contains(what).And.Message.Contains(more));
        Assert.That(
            () => context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options with { HeldOutPrompts = [prompt] })
                .Fit(Texts(context, "a dog")),
            Throws.Exception.With.Message.Contains(what), "held out");
        Assert.That(made.Steps, Is.Zero);
        using VideoAlignmentTransformer generated = context.Transforms.GenerateVideo("Video", "Prompt", model, s_options).Fit(Texts(context, prompt));
        Assert.That(() => EstimatorContract.Values(generated.Transform(Texts(context, prompt))), Throws.Exception.With.Message.Contains(what), "generation");
    }

    [TestCase("link.png")]
    [TestCase("way/outside.png")]
    [TestCase("ships/up/outside.png")]
    [TestCase("circle.png")]
    [TestCase("NUL")]
    [TestCase("ships/aux.png")]
    [TestCase("C:two.png")]
    [TestCase("two.png:stream")]
    [TestCase(".")]
    public void NothingLeadsOutOfTheFolder(string path)
    {
        File.CreateSymbolicLink(Path.Combine(Images, "link.png"), Path.Combine(_folder, "outside.png"));
        Directory.CreateSymbolicLink(Path.Combine(Images, "way"), _folder);
        Directory.CreateSymbolicLink(Path.Combine(Images, "ships", "up"), "../..");
        File.CreateSymbolicLink(Path.Combine(Images, "circle.png"), "circle.png");
        using VideoDiffusionModel model = Open();
        var images = new PromptImages(model, s_options.ResolveSampling(model), _ => { });
        Assert.That(
            () => images.Resolve($$"""a ship {"reference_path": "{{path}}"}"""),
            Throws.TypeOf<UnauthorizedAccessException>().With.Message.Contains(path).And.Message.Contains("stays inside"));
    }

    [Test]
    public void LinksInsideTheFolderAreFollowed()
    {
        File.CreateSymbolicLink(Path.Combine(Images, "link.png"), "ships/one.png");
        Directory.CreateSymbolicLink(Path.Combine(_folder, "way"), Images);
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model, new VideoModelOptions { ReferenceFolder = Path.Combine(_folder, "way") });
        var images = new PromptImages(model, s_options.ResolveSampling(model), _ => { });
        using Tensor linked = images.Resolve("""a ship {"reference_path": "link.png"}""").Images[0](),
            named = images.Resolve("""a ship {"reference_path": "ships/one.png"}""").Images[0]();
        Assert.That(linked.Equals(named));
    }

    /// <summary>The image is read when a video is made, long after the prompt.</summary>
    [Test]
    public void ALinkThatComesLaterIsSeen()
    {
        using VideoDiffusionModel model = Open();
        VideoPrompt prompt = new PromptImages(model, s_options.ResolveSampling(model), _ => { }).Resolve("""a ship {"reference_path": "two.png"}""");
        File.Delete(Path.Combine(Images, "two.png"));
        File.CreateSymbolicLink(Path.Combine(Images, "two.png"), Path.Combine(_folder, "outside.png"));
        Assert.That(() => prompt.Images[0](), Throws.TypeOf<UnauthorizedAccessException>());
    }

    [Test]
    public void LimitsOfTheModelHoldForItsImages()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(
            Model, new VideoModelOptions { ReferenceFolder = Images, ImageLimits = new ImageLimits { MaxPixels = Height * Width } });
        var images = new PromptImages(model, s_options.ResolveSampling(model), _ => { });
        using Tensor small = images.Resolve("""a ship {"reference_path": "two.png"}""").Images[0]();
        Assert.That(small.shape, Is.EqualTo(new long[] { 3, Height, Width }));
        Assert.That(
            () => images.Resolve("""a ship {"reference_path": "large.png"}""").Images[0](),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("48 x 32").And.Message.Contains("MaxPixels"));
    }

    [Test]
    public void NoFileIsReadWhereNoFolderIsNamed()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward = Redness();
        var context = new MLContext(seed: 1);
        const string Prompt = """a ship {"reference_path": "ships/one.png"}""";
        Assert.That(
            () => context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, s_options).Fit(Texts(context, Prompt)),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("ReferenceFolder").And.Message.Contains("ships/one.png"));
    }

    [Test]
    public void TwoImagesForOnePlaceAreRefused()
    {
        using VideoDiffusionModel model = Open();
        var context = new MLContext(seed: 1);
        IDataView rows = context.Data.LoadFromEnumerable(new[] { new ImageRow { Prompt = """a ship {"reference_path": "two.png"}""", Image = Flat(1) } });
        using VideoAlignmentTransformer generated =
            context.Transforms.GenerateVideo("Video", "Prompt", model, s_options with { ImageColumnName = "Image" }).Fit(rows);
        Assert.That(() => EstimatorContract.Values(generated.Transform(rows)),
            Throws.InstanceOf<FormatException>().With.Message.Contains("image column").And.Message.Contains("two.png"));
    }

    /// <summary>Rows with and without images, and of latent frames that are given, in one run.</summary>
    [Test]
    public void RowsWithAndWithoutImagesTrainTogether()
    {
        using VideoDiffusionModel model = Open();
        using VideoReward reward = Redness();
        var context = new MLContext(seed: 1);
        VideoAlignmentOptions options = s_options with
        {
            BatchSize = 2,
            RewardFrames = RewardFrames.Chosen(0),
            RewardLatentFrames = true,
            HeldOutPrompts = ["""a dog {"reference_path": "two.png"}""", "a dog"],
            HeldOutEvery = 1
        };
        IDataView rows = Texts(context, "a dog", """a ship {"reference_path": "ships/one.png", "mask_strategy": "0;0,0,0,-1,1,0.3"}""");
        using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(rows);
        Assert.That(EstimatorContract.Values(aligned.Transform(rows)).SelectMany(video => video), Is.All.InRange(0f, 1f));
    }

    /// <summary>Where every scored frame is given there is no gradient, and that is not a fault of the run.</summary>
    [Test]
    public void AStepOfGivenFramesAloneIsNoError()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoReward reward = Redness();
        var context = new MLContext(seed: 1);
        VideoAlignmentOptions options =
            s_options with { ImageColumnName = "Image", RewardFrames = RewardFrames.Chosen(0), RewardLatentFrames = true, Steps = 3 };
        context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options).Fit(Rows(context)).Dispose();
    }

    [Test]
    public void OptionsThatDoNotFitAreNamed()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.FromPretrained(Model);
        using VideoDiffusionModel texts = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => (s_options with { SegmentCount = 3 }).ValidateFor(model), Throws.Nothing);
            Assert.That(() => (s_options with { ImageColumnName = "Image", HeldOutPrompts = ["a"] }).ValidateFor(model),
                Throws.ArgumentException.With.Message.Contains("HeldOutData"));
            Assert.That(() => (s_options with { HeldOutPrompts = ["a"] }).ValidateFor(model), Throws.Nothing);
            Assert.That(() => (s_options with { Frames = 1, ImageColumnName = "Image" }).ValidateFor(model),
                Throws.ArgumentException.With.Message.Contains("no frame left to make"));
            Assert.That(() => (s_options with { Frames = 1, SegmentCount = 2 }).ValidateFor(model),
                Throws.ArgumentException.With.Message.Contains("no frame left to make"));
            Assert.That(() => (s_options with { Frames = 1 }).ValidateFor(model), Throws.Nothing);
            Assert.That(() => new VideoAlignmentOptions { SegmentCount = 2 }.ValidateFor(texts),
                Throws.ArgumentException.With.Message.Contains("SegmentCount 2").And.Message.Contains("OpenSora"));
            Assert.That(() => new MLContext(1).Transforms.GenerateVideo("Video", null, model, s_options with { ImageColumnName = "Image" }),
                Throws.ArgumentNullException.With.Message.Contains("from texts"));
        }
    }

    private static VideoReward Redness() =>
        VideoRewards.Custom("redness", (frames, _) => frames.select(1, 0).mean([1L, 2L, 3L]) - frames.select(1, 2).mean([1L, 2L, 3L]));

    private static IDataView Texts(MLContext context, params string[] prompts) =>
        context.Data.LoadFromEnumerable(prompts.Select(prompt => new PromptRow { Prompt = prompt }).ToList());

    /// <summary>Black or white.</summary>
    private static float[] Flat(float value) => [.. Enumerable.Repeat(value, 3 * Height * Width)];

    private static byte[] Pixels(int row) => [.. Enumerable.Range(0, Height * Width * 4).Select(at => (byte)(at % 4 == 3 ? 255 : at * row * 37 % 256))];

    private static IDataView Rows(MLContext context) => context.Data.LoadFromEnumerable(new[] { 1, 2 }.Select(row => new ImageRow
    {
        Prompt = "a ship",
        Image = [.. Enumerable.Range(0, 3).SelectMany(channel => Enumerable.Range(0, Height * Width).Select(at => Pixels(row)[(at * 4) + channel] / 255f))],
    }).ToList());

    private IDataView Paths(MLContext context) => context.Data.LoadFromEnumerable(
        new[] { "ships/one.png", "two.png" }.Select(path => new PathRow { Prompt = "a ship", Image = Path.Combine(Images, path) }).ToList());

    private void Save(string path, int row, int times = 1)
    {
        byte[] pixels = [.. Enumerable.Repeat(Pixels(row), times * times).SelectMany(part => part)];
        using MLImage image = MLImage.CreateFromPixels(Width * times, Height * times, MLPixelFormat.Rgba32, pixels);
        image.Save(Path.Combine(Images, path));
    }

    private VideoDiffusionModel Open() => VideoDiffusionModel.FromPretrained(Model, new VideoModelOptions { ReferenceFolder = Images });

    private sealed class ImageRow
    {
        public string Prompt { get; set; } = "";

        [VectorType(3, Height, Width)]
        public float[] Image { get; set; } = [];
    }

    private sealed class PathRow
    {
        public string Prompt { get; set; } = "";

        public string Image { get; set; } = "";
    }

    private sealed class Progress : IProgress<VideoAlignmentProgress>
    {
        public int Steps { get; private set; }

        public void Report(VideoAlignmentProgress value) => Steps++;
    }
}
