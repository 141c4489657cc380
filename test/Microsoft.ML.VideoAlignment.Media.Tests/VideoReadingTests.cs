using ImageMagick;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What files hold, and what they hold when they are a stranger's.</summary>
public class VideoReadingTests : TemporaryFolder
{
    private static readonly string[] s_odd = ["a[0].gif", "video%03d.gif", "a:b.gif", "@list.gif", "-y.gif", "gif:x.gif", "a b.gif", "~x.gif"];

    /// <summary>Frames that hold only what changed, and each way to clear them.</summary>
    [Test]
    public void FramesAreReadAsTheyAreShown()
    {
        using (var images = new MagickImageCollection())
        {
            Add("#ff0000", 4, 4, 0, 0, GifDisposeMethod.None);
            Add("#0000ff", 2, 2, 1, 1, GifDisposeMethod.Background);
            Add("#00ff00", 1, 1, 0, 0, GifDisposeMethod.Previous);
            Add("#000000", 1, 1, 3, 3, GifDisposeMethod.None);
            images.Write(In("parts.gif"));

            void Add(string color, uint width, uint height, int x, int y, GifDisposeMethod dispose)
            {
                var page = new MagickGeometry(x, y, 4, 4);
                images.Add(new MagickImage(new MagickColor(color), width, height) { Page = page, GifDisposeMethod = dispose, AnimationDelay = 10 });
            }
        }

        VideoClip clip = VideoFile.Read(In("parts.gif"));
        Assert.That(Enumerable.Range(0, clip.Frames).Select(frame => Letters(clip, frame)), Is.EqualTo(new[]
        {
            "rrrr/rrrr/rrrr/rrrr", "rrrr/rbbr/rbbr/rrrr", "grrr/rwwr/rwwr/rrrr", "rrrr/rwwr/rwwr/rrrk",
        }));
    }

    /// <summary>Times of 0 and 1 count as browsers show them, a tenth of a second.</summary>
    [Test]
    public void UnevenTimesAreSampledAsBrowsersShowThem()
    {
        Gif("uneven.gif", 0, 1, 10, 30);
        int[] At(double? rate) => Grays(VideoFile.Read(In("uneven.gif"), new VideoReadOptions { FramesPerSecond = rate }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(At(null), Is.EqualTo(new[] { 0, 10, 20, 30 }), "each once");
            Assert.That(At(10), Is.EqualTo(new[] { 0, 10, 20, 30, 30, 30 }));
            Assert.That(At(5), Is.EqualTo(new[] { 10, 30, 30 }));
            Assert.That(At(0.1), Is.EqualTo(new[] { 30 }));
        }
    }

    [TestCase(24, ".gif")]
    [TestCase(23.976, ".gif")]
    [TestCase(30, ".webp")]
    public void RoundedTimesLoseNoFrame(double rate, string extension)
    {
        var clip = new VideoClip([.. Enumerable.Range(0, 48).SelectMany(frame => Enumerable.Repeat(frame * 5 / 255f, 3))], 48, 1, 1);
        VideoFile.Write(In("even" + extension), clip, rate);
        VideoClip read = VideoFile.Read(In("even" + extension), new VideoReadOptions { FramesPerSecond = rate });
        Assert.That(Grays(read), Is.EqualTo(Grays(clip)));
    }

    [TestCase(double.NaN)]
    [TestCase(0)]
    public void ARateThatIsNoneIsRefused(double rate)
    {
        Gif("even.gif", 10, 10);
        Assert.That(() => VideoFile.Read(In("even.gif"), new VideoReadOptions { FramesPerSecond = rate }), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void AnImageTooLargeIsRefusedByItsHeader()
    {
        string file = Write("bomb.png", PngBytes.Write(60_000, 60_000, 1, 0, [new byte[7500]]));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(
            () => VideoFile.Read(file),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("declares 60000 x 60000").And.Message.Contains("MaxPixels"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 24));
    }

    /// <summary>Its other frames are not read: as a video, and as a frame of one in a folder.</summary>
    [TestCase("one.png")]
    [TestCase("frames/1.png")]
    public void AnAnimatedPngIsRefusedWithWhatToDo(string name)
    {
        Directory.CreateDirectory(In("frames"));
        string file = Write(name, PngBytes.Write(2, 1, 8, 0, [[10, 20]], ("acTL", [0, 0, 0, 2, 0, 0, 0, 0])));
        Assert.That(
            () => VideoFile.Read(name.Contains('/', StringComparison.Ordinal) ? In("frames") : file),
            Throws.TypeOf<InvalidDataException>()
                .With.Message.Contains(Path.GetFileName(file)).And.Message.Contains("animated PNG").And.Message.Contains("GIF, WebP or MP4"));
    }

    [Test]
    public void APngThatDeclaresOneFrameIsAStillImage() =>
        Assert.That(VideoFile.Read(Write("still.png", PngBytes.Write(2, 1, 8, 0, [[10, 20]], ("acTL", [0, 0, 0, 1, 0, 0, 0, 0])))).Frames, Is.EqualTo(1));

    [Test]
    public void LimitsAreNamedAndCanBeRaised()
    {
        Gif("video.gif", 10, 10, 10, 10);
        void Refused(VideoReadOptions options, string option) =>
            Assert.That(
                () => VideoFile.Read(In("video.gif"), options), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"raise VideoReadOptions.{option}"),
                option);
        using (Assert.EnterMultipleScope())
        {
            Refused(new VideoReadOptions { MaxFrames = 3 }, nameof(VideoReadOptions.MaxFrames));
            Refused(new VideoReadOptions { MaxFrames = 7, FramesPerSecond = 20 }, nameof(VideoReadOptions.MaxFrames));
            Refused(new VideoReadOptions { MaxPixels = 4 * 6 - 1 }, nameof(VideoReadOptions.MaxPixels));
            Refused(new VideoReadOptions { MaxFileBytes = 10 }, nameof(VideoReadOptions.MaxFileBytes));
            Assert.That(VideoFile.Read(In("video.gif"), new VideoReadOptions { MaxFrames = 4, MaxPixels = 4 * 6 }).Frames, Is.EqualTo(4));
        }
    }

    /// <summary>Each frame is within the limit, all of them are not.</summary>
    [Test]
    public void FramesOfAFolderCountTogether()
    {
        foreach (string name in new[] { "1.png", "2.PNG", "10.png" })
        {
            Write(name, PngBytes.Write(2, 1, 8, 0, [[1, 2]]));
        }

        Assert.That(VideoFile.Read(Root).Frames, Is.EqualTo(3), "an extension in capitals");
        Assert.That(
            () => VideoFile.Read(Root, new VideoReadOptions { MaxPixels = 5 }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("MaxPixels"));
    }

    [Test]
    public void AnImageThatIsCutShortIsRefused()
    {
        byte[] png = PngBytes.Write(
            64, 64, 8, 0, [.. Enumerable.Range(0, 64).Select(row => Enumerable.Range(0, 64).Select(x => (byte)((row * x * 7919) >> 3)).ToArray())]);
        byte[] jpeg = FlatJpeg.Write([.. Enumerable.Range(0, 8).Select(row => Enumerable.Range(0, 8).Select(x => new[] { (byte)(row * x * 5) }).ToArray())]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => VideoFile.Read(Write("half.png", png[..(png.Length / 2)])), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cut short"));
            Assert.That(
                () => VideoFile.Read(Write("half.jpg", jpeg[..(jpeg.Length - 20)])), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cut short"));
            Assert.That(() => VideoFile.Read(Write("head.png", png[..20])), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cut short"));
            Assert.That(() => VideoFile.Read(Write("none.png", [])), Throws.TypeOf<InvalidDataException>().With.Message.Contains("empty"));
        }
    }

    [TestCase(
        "drawing.png", "push graphic-context\nviewbox 0 0 4 4\nimage over 0,0 0,0 'frame.png'\npop graphic-context\n", "expected the content of a PNG file")]
    [TestCase("drawing.gif", "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4\" height=\"4\"/>", "a text such as SVG")]
    [TestCase("drawing.mvg", "push graphic-context\npop graphic-context\n", "got '.mvg'")]
    [TestCase("drawing.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4\" height=\"4\"/>", "got '.svg'")]
    [TestCase("drawing.pdf", "%PDF-1.4", "got '.pdf'")]
    [TestCase("names.txt", "frame.png\n", "got '.txt'")]
    [TestCase("scan.png", "II*\0", "a TIFF file")]
    [TestCase("phone.jpg", "\0\0\0\u0018ftypheic\0\0\0\0", "HEIC")]
    [TestCase("phone", "\0\0\0\u0018ftypheic\0\0\0\0", "HEIC")]
    public void OnlyImagesAreReadAsImages(string name, string content, string message) =>
        Assert.That(
            () => VideoFile.Read(Write(name, System.Text.Encoding.Latin1.GetBytes(content))),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(message));

    [Test]
    public void TheContentIsWhatTheNameSays()
    {
        byte[] png = PngBytes.Write(2, 1, 8, 0, [[1, 2]]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => VideoFile.Read(Write("photo.jpg", png)),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("a JPEG file by its name and a PNG file by its content: rename it to .png"));
            Assert.That(
                () => VideoFile.Read(Write("video.gif", FlatJpeg.Write([[[1]]]))),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("rename it to .jpg"));
            Assert.That(VideoFile.Read(Write("photo", png)).Width, Is.EqualTo(2), "no extension says nothing");
        }
    }

    [TestCaseSource(nameof(s_odd))]
    public void NamesAreLiteral(string name)
    {
        if (OperatingSystem.IsWindows() && name.Contains(':', StringComparison.Ordinal))
        {
            Assert.Ignore("no name on Windows");
        }

        var clip = new VideoClip([0, 0, 0, 1, 1, 1], 2, 1, 1);
        VideoFile.Write(In(name), clip);
        Assert.That(Directory.GetFiles(Root).Select(Path.GetFileName), Is.EqualTo(new[] { name }));
        Assert.That(Grays(VideoFile.Read(In(name))), Is.EqualTo(new[] { 0, 255 }));
    }

    [Test]
    public void ALinkDoesNotLeadOutOfAFolderOfFrames()
    {
        string outside = Write("outside.png", PngBytes.Write(2, 1, 8, 0, [[1, 2]]));
        string frames = Directory.CreateDirectory(In("frames")).FullName;
        File.Copy(outside, Path.Combine(frames, "1.png"));
        File.CreateSymbolicLink(Path.Combine(frames, "2.png"), "1.png");
        Assert.That(VideoFile.Read(frames).Frames, Is.EqualTo(2), "a link inside the folder");
        File.CreateSymbolicLink(Path.Combine(frames, "3.png"), "../outside.png");
        Assert.That(
            () => VideoFile.Read(frames), Throws.TypeOf<UnauthorizedAccessException>().With.Message.Contains("3.png").And.Message.Contains("leads out"));
        Directory.CreateSymbolicLink(In("way"), frames);
        File.Delete(Path.Combine(frames, "3.png"));
        Assert.That(VideoFile.Read(In("way")).Frames, Is.EqualTo(2), "the folder itself may be a link");
    }

    [Test]
    public void WhatCannotBeWrittenIsAnIOException()
    {
        var wide = new VideoClip(new float[3 * 20_000], 1, 1, 20_000);
        Assert.That(
            () => VideoFile.Write(In("wide.webp"), wide), Throws.InstanceOf<IOException>().With.Message.Contains("wide.webp"), "WebP holds 16383 pixels");
        Assert.That(
            () => VideoFile.Write(In("huge.gif"), wide, scale: 60_000), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("enlarged"));
        Assert.That(Directory.GetFileSystemEntries(Root), Is.Empty);
    }

    private static int[] Grays(VideoClip clip) => [.. Enumerable.Range(0, clip.Frames).Select(frame => (int)clip.ToPixels(frame, 1)[0])];

    private static string Letters(VideoClip clip, int frame) => string.Join('/', clip.ToPixels(frame, 1).Chunk(3).Select(pixel => pixel switch
    {
        [255, 0, 0] => 'r',
        [0, 255, 0] => 'g',
        [0, 0, 255] => 'b',
        [255, 255, 255] => 'w',
        [0, 0, 0] => 'k',
        _ => '?',
    }).Chunk(clip.Width).Select(row => new string(row)));

    /// <summary>Frames of 3 x 2 pixels, 10 levels brighter each.</summary>
    private void Gif(string name, params uint[] delays)
    {
        using var images = new MagickImageCollection();
        foreach ((uint delay, int frame) in delays.Select((delay, frame) => (delay, frame)))
        {
            byte gray = (byte)(frame * 10);
            images.Add(new MagickImage(new MagickColor(gray, gray, gray), 3, 2) { AnimationDelay = delay, AnimationTicksPerSecond = 100 });
        }

        images.Write(In(name));
    }
}
