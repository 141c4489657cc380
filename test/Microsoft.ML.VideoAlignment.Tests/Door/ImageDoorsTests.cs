using ImageMagick;
using Microsoft.ML.VideoAlignment.Media;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>One file is one image: upright, on white, without its profile, by every door.</summary>
public class ImageDoorsTests
{
    /// <summary>As PIL and browsers show the stored rows ABC/DEF under each Exif orientation.</summary>
    private static readonly string[] s_upright = ["ABC/DEF", "CBA/FED", "FED/CBA", "DEF/ABC", "AD/BE/CF", "DA/EB/FC", "FC/EB/DA", "CF/BE/AD"];

    private static readonly byte[] s_letters = [0, 40, 80, 120, 160, 200];

    private string _folder = null!;
    private VideoDiffusionModel _model = null!;

    [OneTimeSetUp]
    public void OpenTheModel()
    {
        _folder = Directory.CreateTempSubdirectory("doors").FullName;
        OpenSoraPipelineTests.CopyModel(Path.Combine(_folder, "model"));
        Directory.CreateDirectory(Path.Combine(_folder, "images"));
        _model = VideoDiffusionModel.FromPretrained(Path.Combine(_folder, "model"),
            new VideoModelOptions { ReferenceFolder = Path.Combine(_folder, "images") });
    }

    [OneTimeTearDown]
    public void RemoveTheFolder()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void EveryDoorStandsImagesUpright([Range(1, 8)] int orientation, [Values(".jpg", ".png", ".webp")] string extension)
    {
        string file = Save(extension, Stored(extension, orientation));
        using (Assert.EnterMultipleScope())
        {
            foreach ((string door, RgbPixels image) in ImageDoors.All(file, _model))
            {
                Assert.That(image.Letters(extension == ".jpg" ? 8 : 1), Is.EqualTo(s_upright[orientation - 1]), door);
            }
        }
    }

    [Test]
    public void ExifOfEitherByteOrderIsRead()
    {
        string file = Save(".png", LetterPng([("eXIf", ExifBytes.Orientation(6, little: true))]));
        Assert.That(ImageDoors.ByPath(file).Letters(), Is.EqualTo(s_upright[5]));
    }

    [TestCase(0)]
    [TestCase(9)]
    public void ANumberThatIsNoOrientationTurnsNothing(int orientation)
    {
        string file = Save(".png", LetterPng([("eXIf", ExifBytes.Orientation(orientation))]));
        Assert.That(ImageDoors.ByPath(file).Letters(), Is.EqualTo(s_upright[0]));
    }

    [Test]
    public void AnImageThatMlNetLoadedIsTurnedWithAMessage()
    {
        var said = new List<string>();
        RgbPixels upright = ImageDoors.ByLoadImages(Save(".png", Stored(".png", 1)), said.Add);
        Assert.That(said.Where(line => line.Contains("Exif", StringComparison.Ordinal)), Is.Empty);
        RgbPixels turned = ImageDoors.ByLoadImages(Save(".png", Stored(".png", 8)), said.Add);
        Assert.That(said, Has.Some.Contains("without its Exif orientation 8"));
        Assert.That((upright.Letters(), turned.Letters()), Is.EqualTo((s_upright[0], s_upright[7])));
    }

    [Test]
    public void ResizedImagesOfMlNetAreTurnedToo()
    {
        RgbPixels image = ImageDoors.ByLoadImages(Save(".png", Stored(".png", 6)), _ => { }, size: (4, 6));
        Assert.That(image.Letters(2), Is.EqualTo(s_upright[5]));
    }

    /// <summary>Whoever loads upright by other means and leaves the path in the tag is not turned twice.</summary>
    [Test]
    public void AnImageOfTheUprightSizeIsLeftAlone()
    {
        string file = Save(".png", Stored(".png", 6));
        var pixels = new Video.RgbImage(new byte[3 * 2 * 3], Height: 3, Width: 2);
        Assert.That(MlImageOrientation.Apply(pixels, file, "", new ImageLimits(), _ => { }), Is.SameAs(pixels));
        Assert.That(MlImageOrientation.Apply(pixels, "a label", "", new ImageLimits(), _ => { }), Is.SameAs(pixels));
    }

    /// <summary>An image column uses the first frame of an animated file; an animated PNG, whose other frames are not read, is refused as a video.</summary>
    [TestCase(".png")]
    [TestCase(".gif")]
    [TestCase(".webp")]
    public void AnAnimatedFileIsItsFirstFrameAsAnImage(string extension)
    {
        string file = Save(extension, Animated(extension));
        Assert.That(ImageDoors.ByPath(file).Letters(), Is.EqualTo(s_upright[0]));
        if (extension == ".png")
        {
            Assert.That(
                () => VideoFile.Read(file),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("animated PNG").And.Message.Contains("Convert it to GIF, WebP or MP4"));
        }
        else
        {
            Assert.That(VideoFile.Read(file).Frames, Is.EqualTo(2));
        }
    }

    [TestCaseSource(nameof(Kinds))]
    public void EveryDoorGivesTheSameImage(ImageKind kind)
    {
        string file = Save(kind.Extension, kind.Bytes());
        (string Door, RgbPixels Image)[] doors = [.. ImageDoors.All(file, _model)];
        using (Assert.EnterMultipleScope())
        {
            foreach ((string door, RgbPixels image) in doors)
            {
                Assert.That(image.Bytes, Is.EqualTo(doors[0].Image.Bytes), $"{door} and {doors[0].Door}");
            }

            byte[] expected = kind.Expected;
            Assert.That(doors[0].Image.Bytes, Has.Length.EqualTo(expected.Length));
            int[] errors = [.. doors[0].Image.Bytes.Zip(expected, (got, right) => Math.Abs(got - right))];
            Assert.That(errors.Max(), Is.LessThanOrEqualTo(kind.Tolerance),
                $"got {string.Join(' ', doors[0].Image.Bytes.Take(24))}, expected {string.Join(' ', expected.Take(24))}");
        }
    }

    private static IEnumerable<TestCaseData> Kinds() => ImageKind.All().Select(kind => new TestCaseData(kind).SetArgDisplayNames(kind.Name));

    private static byte[] LetterPng((string Type, byte[] Data)[] chunks) => PngBytes.Write(3, 2, 8, 0, [s_letters[..3], s_letters[3..]], chunks);

    private static byte[] Animated(string extension)
    {
        if (extension == ".png")
        {
            return LetterPng([("acTL", [0, 0, 0, 2, 0, 0, 0, 0])]);
        }

        using var frames = new MagickImageCollection { new MagickImage(LetterPng([])), new MagickImage(LetterPng([])) };
        frames[1].Negate();
        foreach (IMagickImage<byte> frame in frames)
        {
            frame.AnimationDelay = 10;
            frame.Settings.SetDefine(MagickFormat.WebP, "lossless", true);
        }

        return frames.ToByteArray(extension == ".gif" ? MagickFormat.Gif : MagickFormat.WebP);
    }

    private static byte[] Stored(string extension, int orientation)
    {
        switch (extension)
        {
            case ".png":
                return LetterPng([("eXIf", ExifBytes.Orientation(orientation))]);
            case ".jpg":
                byte[][][] blocks = [.. s_letters.Select(gray => new[] { gray }).Chunk(3)];
                return ExifBytes.InJpeg(FlatJpeg.Write(blocks), orientation);
            default:
                using (var image = new MagickImage(LetterPng([])))
                {
                    image.Settings.SetDefine(MagickFormat.WebP, "lossless", true);
                    return ExifBytes.InWebP(image.ToByteArray(MagickFormat.WebP), 3, 2, orientation);
                }
        }
    }

    private string Save(string extension, byte[] bytes)
    {
        string file = Path.Combine(_folder, "images", "image" + extension);
        File.WriteAllBytes(file, bytes);
        return file;
    }
}
