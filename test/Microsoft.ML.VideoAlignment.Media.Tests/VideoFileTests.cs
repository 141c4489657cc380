using ImageMagick;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("video-file-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    /// <summary>No two frames alike, and few colors: a palette of 256 holds them all and GIF loses nothing.</summary>
    private static VideoClip FewColors() => new([.. Enumerable.Range(0, 4 * 3 * 5 * 6).Select(index => index * 7 % 11 / 11f)], 4, 5, 6);

    [TestCase(".gif")]
    [TestCase(".webp")]
    public void VideosComeBackPixelForPixel(string extension)
    {
        VideoClip clip = FewColors();
        string path = Path.Combine(_folder, "video" + extension);
        VideoFile.Write(path, clip, framesPerSecond: 8, scale: 3);
        using var images = new MagickImageCollection(path);
        images.Coalesce();
        Assert.That(images, Has.Count.EqualTo(4));
        for (int frame = 0; frame < 4; frame++)
        {
            using IPixelCollection<byte> pixels = images[frame].GetPixels();
            Assert.That(pixels.ToByteArray(PixelMapping.RGB), Is.EqualTo(clip.ToPixels(frame, 3)), $"frame {frame}");
        }
    }

    [TestCase(".gif")]
    [TestCase(".webp")]
    public void WhatWasWrittenIsRead(string extension)
    {
        VideoClip clip = FewColors();
        string path = Path.Combine(_folder, "video" + extension);
        VideoFile.Write(path, clip, scale: 2);
        VideoClip read = VideoFile.Read(path);
        Assert.That((read.Frames, read.Height, read.Width), Is.EqualTo((4, 10, 12)));
        for (int frame = 0; frame < 4; frame++)
        {
            Assert.That(read.ToPixels(frame, 1), Is.EqualTo(clip.ToPixels(frame, 2)), $"frame {frame}");
        }
    }

    [Test]
    public void AFolderOfImagesIsAVideoInTheOrderOfItsNumbers()
    {
        VideoClip clip = FewColors();
        for (int frame = 0; frame < 4; frame++)
        {
            VideoFile.Write(Path.Combine(_folder, $"frame{(frame * 4) + 1}.png"), clip.Frame(frame)); // 1, 5, 9, 13
        }

        VideoClip read = VideoFile.Read(_folder);
        Assert.That(
            Enumerable.Range(0, 4).SelectMany(frame => read.ToPixels(frame, 1)),
                Is.EqualTo(Enumerable.Range(0, 4).SelectMany(frame => clip.ToPixels(frame, 1))));
    }

    [Test]
    public void GrayAndTransparentImagesBecomeRgb()
    {
        using (var gray = new MagickImage(new MagickColor("#808080"), 3, 2) { ColorType = ColorType.Grayscale })
        using (var clear = new MagickImage(MagickColors.Transparent, 3, 2))
        {
            gray.Write(Path.Combine(_folder, "1.png"));
            clear.Write(Path.Combine(_folder, "2.png"));
        }

        VideoClip read = VideoFile.Read(_folder);
        Assert.That(read.ToPixels(0, 1), Is.All.EqualTo(0x80));
        Assert.That(read.ToPixels(1, 1), Is.All.EqualTo(0xff));
    }

    [Test]
    public void WhatIsNoVideoIsRefused()
    {
        Assert.That(() => VideoFile.Read(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("no PNG"));
        string path = Path.Combine(_folder, "video.gif");
        Assert.That(() => VideoFile.Read(path), Throws.TypeOf<FileNotFoundException>());
        File.WriteAllText(path, "not an image");
        Assert.That(() => VideoFile.Read(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains("video.gif"));
        VideoFile.Write(Path.Combine(_folder, "1.png"), FewColors().Frame(0));
        VideoFile.Write(Path.Combine(_folder, "2.png"), FewColors());
        Assert.That(() => VideoFile.Read(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("one size"));
    }

    [Test]
    public void TheWholeKeepsItsLength()
    {
        string path = Path.Combine(_folder, "video.gif");
        VideoFile.Write(path, FewColors(), framesPerSecond: 8);
        using var images = new MagickImageCollection(path);
        Assert.That(images.Select(image => image.AnimationDelay), Is.EqualTo(new[] { 12, 13, 13, 12 }), "4 frames at 8 a second: 50 hundredths");
    }

    [Test]
    public void AImageIsTheFramesInARow()
    {
        string path = Path.Combine(_folder, "frames.png");
        VideoClip clip = FewColors();
        VideoFile.Write(path, clip, scale: 2);
        using var image = new MagickImage(path);
        using IPixelCollection<byte> pixels = image.GetPixels();
        Assert.That(pixels.ToByteArray(PixelMapping.RGB), Is.EqualTo(clip.FrameStrip().ToPixels(0, 2)));
    }

    [Test]
    public void AnExistingFileIsReplacedAndNothingElseIsLeft()
    {
        string path = Path.Combine(_folder, "video.gif");
        File.WriteAllText(path, "old");
        VideoFile.Write(path, FewColors());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Directory.GetFileSystemEntries(_folder), Is.EqualTo(new[] { path }));
            Assert.That(File.ReadAllBytes(path)[..4], Is.EqualTo("GIF8"u8.ToArray()));
        }
    }

    [Test]
    public void BadRequestsAreRefusedBeforeAnythingIsWritten()
    {
        VideoClip clip = FewColors();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => VideoFile.Write(Path.Combine(_folder, "video.avi"), clip), Throws.TypeOf<NotSupportedException>().With.Message.Contains(".webp"));
            Assert.That(
                () => VideoFile.Write(Path.Combine(_folder, "none", "video.gif"), clip),
                Throws.TypeOf<DirectoryNotFoundException>().With.Message.Contains("create it"));
            Assert.That(
                () => VideoFile.Write(Path.Combine(_folder, "video.gif"), clip, framesPerSecond: double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => VideoFile.Write(Path.Combine(_folder, "video.gif"), clip, scale: 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
        }
    }

    [Test]
    public void AFailingProgramLeavesTheOldFile()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("needs a program named 'false'");
        }

        string path = Path.Combine(_folder, "video.mp4");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Ffmpeg.Write(path, FewColors(), 8, 1, "false"), Throws.TypeOf<IOException>().With.Message.Contains("code 1"));
            Assert.That(() => Ffmpeg.Write(path, FewColors(), 8, 1, "no-such-ffmpeg"), Throws.TypeOf<NotSupportedException>().With.Message.Contains(".gif"));
            Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
        }
    }

    [Test]
    public void Mp4WhereFfmpegIs()
    {
        string path = Path.Combine(_folder, "video.mp4");
        if (!Ffmpeg.IsInstalled)
        {
            Assert.That(() => VideoFile.Write(path, FewColors()), Throws.TypeOf<NotSupportedException>().With.Message.Contains("ffmpeg"));
            Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
            return;
        }

        VideoFile.Write(path, FewColors(), scale: 3);
        Assert.That(File.ReadAllBytes(path)[4..8], Is.EqualTo("ftyp"u8.ToArray()));
    }
}
