using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Image to video through ML.NET: a column of images in any of its three forms.</summary>
public class ImageColumnTests
{
    private const int Height = 4;
    private const int Width = 8;

    private static readonly VideoAlignmentOptions s_options =
        DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { ImageColumnName = "Image" } };

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("images").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void PathsImagesAndVectorsOfOneImageGiveOneVideo()
    {
        byte[] pixels = Pixels(Height, Width, seed: 3);
        string file = Save(pixels, Height, Width);
        using MLImage image = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, pixels);
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        float[] fromPath = Video(rig, [new PathRow { Image = file }]);
        float[] fromImage = Video(rig, [new ImageRow { Image = image }]);
        float[] fromVector = Video(rig, [new VectorRow { Image = Planes(pixels, Height, Width) }]);
        float[] another = Video(rig, [new VectorRow { Image = Planes(Pixels(Height, Width, seed: 4), Height, Width) }]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fromImage, Is.EqualTo(fromPath));
            Assert.That(fromVector, Is.EqualTo(fromPath));
            Assert.That(another, Is.Not.EqualTo(fromPath), "the image decides the video");
        }
    }

    [Test]
    public void BlueIsNotTakenForRed()
    {
        byte[] red = [.. Enumerable.Repeat(new byte[] { 255, 0, 0, 255 }, Height * Width).SelectMany(pixel => pixel)];
        byte[] redInBgra = [.. Enumerable.Repeat(new byte[] { 0, 0, 255, 255 }, Height * Width).SelectMany(pixel => pixel)];
        using MLImage rgba = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, red);
        using MLImage bgra = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Bgra32, redInBgra);
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        Assert.That(Video(rig, [new ImageRow { Image = bgra }]), Is.EqualTo(Video(rig, [new ImageRow { Image = rgba }])));
    }

    [Test]
    public void AImageOfAnotherSizeIsResizedWithAMessage()
    {
        string file = Save(Pixels(8, 16, seed: 1), 8, 16);
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        List<(ChannelMessageKind Kind, string Text)> log = rig.Listen();
        Video(rig, [new PathRow { Image = file }]);
        Assert.That(log.Select(line => line.Text), Has.Some.Contains("an image of 8 x 16 (height x width) is resized to the video's 4 x 8"));
    }

    [Test]
    public void SavedAndLoadedItBindsToTheRowClassAgain()
    {
        using MLImage image = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, Pixels(Height, Width, seed: 3));
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        rig.Opener = _ => new TinyVideoModel(readsImages: true);
        IDataView rows = rig.Context.Data.LoadFromEnumerable<ImageRow>([new ImageRow { Image = image }]);
        using VideoAlignmentTransformer aligned = rig.Estimator(s_options).Fit(rows);
        using var zip = new MemoryStream();
        rig.Context.Model.Save(aligned, rows.Schema, zip);
        zip.Position = 0;
        MLContext loading = rig.Loading();
        ITransformer loaded = loading.Model.Load(zip, out DataViewSchema schema);
        using PredictionEngine<ImageRow, VideoRow> engine = loading.Model.CreatePredictionEngine<ImageRow, VideoRow>(loaded);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(schema.Select(column => column.Name), Has.None.EqualTo("Image"), "ML.NET has no codec for images: the schema comes back without them");
            Assert.That(engine.Predict(new ImageRow { Image = image }).Video, Is.EqualTo(First(aligned.Transform(rows))));
        }
    }

    [Test]
    public void ValuesOutsideTheUnitRangeAreRefused()
    {
        float[] bytes = Planes(Pixels(Height, Width, seed: 3), Height, Width);
        bytes[5] = 255;
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        Assert.That(
            () => Video(rig, [new VectorRow { Image = bytes }]),
            Throws.InvalidOperationException.With.Message.Contains("expected RGB in [0, 1], got 255").And.Message.Contains("scaleImage: 1f / 255"));
    }

    [Test]
    public void AMissingFileAndAFileThatIsNoImageAreNamed()
    {
        string text = Path.Combine(_folder, "notes.png");
        File.WriteAllText(text, "no image");
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Video(rig, [new PathRow { Image = Path.Combine(_folder, "none.png") }]),
                Throws.TypeOf<FileNotFoundException>().With.Message.Contains("none.png"));
            Assert.That(() => Video(rig, [new PathRow { Image = text }]),
                Throws.InnerException.TypeOf<InvalidDataException>().Or.TypeOf<InvalidDataException>());
        }
    }

    [Test]
    public void AnImageThatDeclaresTooMuchIsRefused()
    {
        string bomb = Path.Combine(_folder, "bomb.png");
        File.WriteAllBytes(bomb, PngBytes.Write(60_000, 60_000, 1, 0, [new byte[7500]]));
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        Assert.That(
            () => Video(rig, [new PathRow { Image = bomb }]),
            Throws.Exception.With.Message.Contains("declares 60000 x 60000").Or.InnerException.With.Message.Contains("declares 60000 x 60000"));
    }

    /// <summary>ML.NET says nothing of the fourth byte: where it is 0 throughout it is filling.</summary>
    [Test]
    public void AFourthByteOfZeroIsNoTransparency()
    {
        byte[] pixels = Pixels(Height, Width, seed: 3);
        using MLImage opaque = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, pixels);
        using MLImage filled = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, [.. pixels.Select((value, at) => at % 4 == 3 ? (byte)0 : value)]);
        using MLImage clear = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, new byte[4 * Height * Width]);
        Assert.That(MLNet.MlImagePixels.Read(filled).Bytes, Is.EqualTo(MLNet.MlImagePixels.Read(opaque).Bytes));
        Assert.That(MLNet.MlImagePixels.Read(clear).Bytes, Is.All.EqualTo(255));
    }

    [Test]
    public void AVectorOfAnotherShapeIsRefusedBeforeAnythingIsDone()
    {
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        Assert.That(
            () => rig.Estimator(s_options).Fit(rig.Context.Data.LoadFromEnumerable<FlatRow>([new FlatRow()])),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("'Image'").And.Message.Contains("Vector<Single, 3, H, W>"));
        Assert.That(rig.Model.GradientVideos, Is.Zero);
    }

    [Test]
    public void OptionsThatDoNotFitTheModelAreListed()
    {
        using var images = new TinyVideoModel(readsImages: true);
        using var texts = new TinyVideoModel();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => DoorRig.ThreeSteps.ValidateFor(images),
                Throws.ArgumentException.With.Message.Contains("ImageColumnName must name the column of images"));
            Assert.That(() => s_options.ValidateFor(texts), Throws.ArgumentException.With.Message.Contains("makes videos from texts, got 'Image'"));
            Assert.That(() => (s_options with { Validation = s_options.Validation with { Prompts = ["a"] } }).ValidateFor(images),
                Throws.ArgumentException.With.Message.Contains("use Validation.Data"));
        }
    }

    [Test]
    public void HeldOutImagesAreMeasured()
    {
        var rig = new DoorRig { Model = new TinyVideoModel(readsImages: true) };
        var told = new List<VideoAlignmentProgress>();
        IDataView heldOut = rig.Context.Data.LoadFromEnumerable<VectorRow>([new VectorRow { Image = Planes(Pixels(Height, Width, seed: 9), Height, Width) }]);
        VideoAlignmentOptions options = s_options with { Validation = s_options.Validation with { Data = heldOut, Every = 1 } };
        var control = new RunControl { Progress = new Told(told) };
        using VideoAlignmentTransformer aligned = rig.Estimator(options, control).Fit(
            rig.Context.Data.LoadFromEnumerable<VectorRow>([new VectorRow { Image = Planes(Pixels(Height, Width, seed: 3), Height, Width) }]));
        Assert.That(told.Select(step => step.ValidationReward), Is.All.Not.Null);
    }

    private static float[] Video<TRow>(DoorRig rig, TRow[] rows)
        where TRow : class
    {
        IDataView data = rig.Context.Data.LoadFromEnumerable(rows);
        using VideoAlignmentTransformer aligned = rig.Estimator(s_options).Fit(data);
        return First(aligned.Transform(data));
    }

    private static float[] First(IDataView data)
    {
        DataViewSchema.Column column = data.Schema["Video"];
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        cursor.MoveNext();
        VBuffer<float> video = default;
        cursor.GetGetter<VBuffer<float>>(column)(ref video);
        return [.. video.DenseValues()];
    }

    private string Save(byte[] pixels, int height, int width)
    {
        string file = Path.Combine(_folder, $"{height}x{width}.png");
        using MLImage image = MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, pixels);
        image.Save(file);
        return file;
    }

    private static byte[] Pixels(int height, int width, int seed)
    {
        byte[] bytes = new byte[height * width * 4];
        new Random(seed).NextBytes(bytes);
        for (int alpha = 3; alpha < bytes.Length; alpha += 4)
        {
            bytes[alpha] = 255;
        }

        return bytes;
    }

    private static float[] Planes(byte[] pixels, int height, int width) =>
        [.. Enumerable.Range(0, 3).SelectMany(channel => Enumerable.Range(0, height * width).Select(pixel => pixels[(pixel * 4) + channel] / 255f))];

    private sealed class Told(List<VideoAlignmentProgress> steps) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => steps.Add(value);
    }

    private sealed class PathRow
    {
        public string Prompt { get; set; } = "";

        public string Image { get; set; } = "";
    }

    private sealed class ImageRow
    {
        public string Prompt { get; set; } = "";

        [ImageType(Height, Width)]
        public MLImage? Image { get; set; }
    }

    private sealed class VectorRow
    {
        public string Prompt { get; set; } = "";

        [VectorType(3, Height, Width)]
        public float[] Image { get; set; } = [];
    }

    private sealed class FlatRow
    {
        public string Prompt { get; set; } = "";

        [VectorType(Height * Width)]
        public float[] Image { get; set; } = new float[Height * Width];
    }
}
