using System.Buffers.Binary;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Video files through the real ffmpeg.</summary>
public class Mp4Tests : TemporaryFolder
{
    private static readonly string[] s_names = ["a[0].mp4", "video%03d.mp4", "a:b.mp4", "-y.mp4", "http:x.mp4", "a'b \"c.mp4"];

    private static readonly byte[][] s_colors =
    [
        [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255], [255, 255, 255], [0, 0, 0],
        [128, 128, 128], [200, 60, 20], [30, 90, 160],
    ];

    [SetUp]
    public void RequireFfmpeg()
    {
        if (!Ffmpeg.IsInstalled)
        {
            Assert.Ignore("ffmpeg is not installed: MP4 is not written and read here.");
        }
    }

    [Test]
    public void ColorsAreKept()
    {
        VideoClip bars = Bars(frames: 6, height: 32, width: 16);
        VideoFile.Write(In("bars.mp4"), bars);
        VideoClip read = VideoFile.Read(In("bars.mp4"));
        Assert.That(read.ToString(), Is.EqualTo(bars.ToString()));
        using (Assert.EnterMultipleScope())
        {
            for (int frame = 0; frame < 6; frame++)
            {
                byte[] got = read.ToPixels(frame, 1), right = bars.ToPixels(frame, 1);
                foreach (int bar in Enumerable.Range(0, s_colors.Length))
                {
                    int middle = 3 * ((16 * read.Width) + (bar * 16) + 8);
                    int error = Enumerable.Range(0, 3).Max(channel => Math.Abs(got[middle + channel] - right[middle + channel]));
                    Assert.That(
                        error, Is.LessThanOrEqualTo(8),
                        $"frame {frame}, {string.Join(' ', got[middle..(middle + 3)])} for {string.Join(' ', right[middle..(middle + 3)])}");
                }
            }
        }
    }

    [Test]
    public void ColorsAreTagged()
    {
        VideoFile.Write(In("bars.mp4"), Bars(2, 16, 16));
        Assert.That(Probe("bars.mp4", "color_space,color_range,color_transfer,color_primaries,pix_fmt"), Is.EquivalentTo(new[]
        {
            "pix_fmt=yuv420p", "color_range=tv", "color_space=bt709", "color_transfer=bt709", "color_primaries=bt709",
        }));
    }

    /// <summary>Files of other programs have other matrices and ranges, and say so.</summary>
    [TestCase("bt709", "tv")]
    [TestCase("bt709", "pc")]
    [TestCase("smpte170m", "tv")]
    [TestCase("smpte170m", "pc")]
    public void TagsOfOtherProgramsAreFollowed(string matrix, string range)
    {
        string scale = matrix == "smpte170m" ? "bt601" : matrix;
        Make(
            "other.mp4", "color=0xc83c14:s=32x32:d=0.5:r=8", "-vf", $"scale=out_color_matrix={scale}:out_range={range}:flags=accurate_rnd,format=yuv420p",
            "-colorspace", matrix, "-color_range", range);
        byte[] pixels = VideoFile.Read(In("other.mp4")).ToPixels(0, 1);
        Assert.That(pixels[..3].Zip(s_colors[9], (got, right) => Math.Abs(got - right)).Max(), Is.LessThanOrEqualTo(4), string.Join(' ', pixels[..3]));
    }

    [TestCase(7, 5, 1)]
    [TestCase(7, 6, 1)]
    [TestCase(6, 5, 1)]
    [TestCase(1, 1, 1)]
    [TestCase(5, 7, 3)]
    public void OddSizesComeBack(int height, int width, int scale)
    {
        var clip = new VideoClip([.. Enumerable.Repeat(0.8f, 3 * 3 * height * width)], 3, height, width);
        VideoFile.Write(In("odd.mp4"), clip, scale: scale);
        VideoClip read = VideoFile.Read(In("odd.mp4"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((read.Frames, read.Height, read.Width), Is.EqualTo((3, height * scale, width * scale)));
            Assert.That(read.Values.ToArray(), Is.All.InRange(0.78f, 0.82f), "no dark edge");
        }
    }

    [TestCase(23.976, "24000/1001")]
    [TestCase(29.97, "30000/1001")]
    [TestCase(24, "24/1")]
    [TestCase(12.5, "25/2")]
    public void RatesAreExact(double rate, string fraction)
    {
        VideoFile.Write(In("video.mp4"), Bars(24, 16, 16), rate);
        Assert.That(Probe("video.mp4", "r_frame_rate,nb_frames"), Is.EquivalentTo(new[] { $"r_frame_rate={fraction}", "nb_frames=24" }));
        Assert.That(VideoFile.Read(In("video.mp4")).Frames, Is.EqualTo(24));
        Assert.That(VideoFile.Read(In("video.mp4"), new VideoReadOptions { FramesPerSecond = rate }).Frames, Is.EqualTo(24));
    }

    /// <summary>Frames at 0, 0.2, 0.6, 1.2 and 2 s: each once, or as they are shown.</summary>
    [Test]
    public void UnevenTimesAreSampledWhereAsked()
    {
        Make("uneven.mp4", "testsrc=s=32x32:d=0.5:r=10", "-vf", "setpts='(N+N*N)/10/TB'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p");
        int sampled = VideoFile.Read(In("uneven.mp4"), new VideoReadOptions { FramesPerSecond = 10 }).Frames;
        Assert.That(VideoFile.Read(In("uneven.mp4")).Frames, Is.EqualTo(5));
        Assert.That(sampled, Is.InRange(20, 29), "2 s and the last frame's own time");
    }

    /// <summary>As telephones write: the sensor's pixels, and a matrix that turns them.</summary>
    [Test]
    public void RotationIsApplied()
    {
        var clip = new VideoClip([.. Enumerable.Range(0, 2 * 3 * 32 * 64).Select(index => index % 64 < 32 ? 0.9f : 0.1f)], 2, 32, 64);
        VideoFile.Write(In("video.mp4"), clip);
        byte[] file = File.ReadAllBytes(In("video.mp4"));
        Span<byte> matrix = file.AsSpan(file.AsSpan().IndexOf("tkhd"u8) + 44, 36);
        matrix.Clear();
        BinaryPrimitives.WriteInt32BigEndian(matrix[4..], 1 << 16); // right becomes down
        BinaryPrimitives.WriteInt32BigEndian(matrix[12..], -(1 << 16)); // down becomes left
        BinaryPrimitives.WriteInt32BigEndian(matrix[32..], 1 << 30);
        VideoClip turned = VideoFile.Read(Write("turned.mp4", file));
        Assert.That((turned.Height, turned.Width), Is.EqualTo((64, 32)));
        Assert.That((turned.Values[(8 * 32) + 16], turned.Values[(56 * 32) + 16]), Is.EqualTo((0.9f, 0.1f)).Within(0.03f));
    }

    [TestCase(".mov")]
    [TestCase(".mkv")]
    [TestCase(".avi")]
    [TestCase(".webm")]
    public void OtherContainersAreRead(string extension)
    {
        string[] codec = extension == ".webm" ? ["-c:v", "libvpx"] : [];
        Make("video" + extension, "color=0x808080:s=32x16:d=0.5:r=8", codec);
        VideoClip read = VideoFile.Read(In("video" + extension));
        Assert.That((read.Frames, read.Height, read.Width), Is.EqualTo((4, 16, 32)));
    }

    [Test]
    public void AFileOpensNoOther()
    {
        VideoFile.Write(In("secret.mp4"), Bars(2, 16, 16));
        File.WriteAllText(In("list.mp4"), $"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{new Uri(In("secret.mp4"))}\n#EXT-X-ENDLIST\n");
        File.WriteAllText(In("concat.mkv"), $"ffconcat version 1.0\nfile 'secret.mp4'\n");
        Assert.That(() => VideoFile.Read(In("list.mp4")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("list.mp4"));
        Assert.That(() => VideoFile.Read(In("concat.mkv")), Throws.TypeOf<InvalidDataException>().With.Message.Contains("concat.mkv"));
    }

    [Test]
    public void ADamagedFileIsRefusedInFfmpegsWords()
    {
        VideoFile.Write(In("video.mp4"), Bars(24, 32, 32));
        byte[] file = File.ReadAllBytes(In("video.mp4"));
        Assert.That(
            () => VideoFile.Read(Write("half.mp4", file[..(file.Length - 400)])),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("half.mp4").And.Message.Contains("ffmpeg says"));
        Assert.That(
            () => VideoFile.Read(Write("text.mp4", "not a video"u8.ToArray())), Throws.TypeOf<InvalidDataException>().With.Message.Contains("text.mp4"));
    }

    [Test]
    public void LimitsHoldForVideoFiles()
    {
        VideoFile.Write(In("video.mp4"), Bars(10, 16, 16));
        int width = s_colors.Length * 16;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => VideoFile.Read(In("video.mp4"), new VideoReadOptions { MaxFrames = 9 }),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("MaxFrames"));
            Assert.That(
                () => VideoFile.Read(In("video.mp4"), new VideoReadOptions { MaxPixels = (10 * 16 * width) - 1 }),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("MaxPixels"));
            Assert.That(() => VideoFile.Read(In("video.mp4"), new VideoReadOptions { MaxPixels = 100 }), Throws.TypeOf<InvalidDataException>());
            Assert.That(
                () => VideoFile.Read(In("video.mp4"), new VideoReadOptions { MaxFileBytes = 100 }),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("MaxFileBytes"));
            Assert.That(VideoFile.Read(In("video.mp4"), new VideoReadOptions { MaxFrames = 10, MaxPixels = 10 * 16 * width }).Frames, Is.EqualTo(10));
        }
    }

    [TestCaseSource(nameof(s_names))]
    public void NamesAreLiteral(string name)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("no names on Windows");
        }

        VideoFile.Write(In(name), Bars(2, 16, 16));
        Assert.That(Directory.GetFileSystemEntries(Root).Select(Path.GetFileName), Is.EqualTo(new[] { name }));
        Assert.That(VideoFile.Read(In(name)).Frames, Is.EqualTo(2));
    }

    [Test]
    public void CanceledBeforeItBeginsNothingIsLeft()
    {
        using var canceled = new CancellationTokenSource();
        canceled.Cancel();
        Assert.That(
            () => VideoFile.Write(In("video.mp4"), Bars(2, 16, 16), new VideoWriteOptions(), canceled.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFileSystemEntries(Root), Is.Empty);
    }

    /// <summary>Vertical bars of 16 pixels, which move by one bar a frame.</summary>
    private static VideoClip Bars(int frames, int height, int width)
    {
        int wide = s_colors.Length * width;
        var values = new float[frames * 3 * height * wide];
        for (int index = 0; index < values.Length; index++)
        {
            (int frame, int channel, int x) = (index / (3 * height * wide), index / (height * wide) % 3, index % wide);
            values[index] = s_colors[((x / width) + frame) % s_colors.Length][channel] / 255f;
        }

        return new VideoClip(values, frames, height, wide);
    }

    private void Make(string name, string source, params string[] arguments)
    {
        string[] all = ["-y", "-loglevel", "error", "-f", "lavfi", "-i", source, .. arguments, $"file:{In(name)}"];
        (int code, string complaint) = new FfmpegProcess("ffmpeg", all, TimeSpan.FromMinutes(5), "", "").Run(
            null, output => output.CopyTo(Stream.Null), default);
        Assert.That(code, Is.Zero, complaint);
    }

    private string[] Probe(string name, string entries)
    {
        string answer = "";
        string[] all =
        [
            "-loglevel", "error", "-select_streams", "v", "-show_entries", $"stream={entries}", "-of", "default=noprint_wrappers=1", $"file:{In(name)}",
        ];
        new FfmpegProcess("ffprobe", all, TimeSpan.FromMinutes(5), "", "").Run(null, output => answer = new StreamReader(output).ReadToEnd(), default);
        return answer.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
