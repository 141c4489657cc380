using System.Buffers.Binary;
using ImageMagick;
using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Tests;

public class FrameTimesTests : TemporaryFolder
{
    private static readonly double[] s_rates = [1, 7, 8, 12.5, 23.976, 24, 25, 29.97, 30, 50, 50.5, 59.94, 60, 75, 90, 99.9, 100];

    [Test]
    public void TheWholeKeepsItsLengthAndNoFrameIsTooShort(
        [ValueSource(nameof(s_rates))] double rate, [Values(1, 2, 7, 48, 1000)] int frames, [Values(100, 1000)] int ticks)
    {
        uint shortest = ticks == 100 ? 2u : 11u;
        IReadOnlyList<(int Frame, uint Ticks)> spread = FrameTimes.Spread(frames, rate, ticks, shortest);
        uint length = (uint)Math.Max(shortest, Math.Round(frames * ticks / rate));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spread.Sum(frame => frame.Ticks), Is.EqualTo(length));
            Assert.That(spread.Select(frame => frame.Ticks), Is.All.GreaterThanOrEqualTo(shortest));
            Assert.That(spread.Select(frame => frame.Frame), Is.Ordered.And.Unique);
            Assert.That(spread[^1].Frame, Is.LessThan(frames));
        }
    }

    [Test]
    public void TimesDoNotDrift([ValueSource(nameof(s_rates))] double rate)
    {
        double shown = 0;
        foreach ((int frame, uint ticks) in FrameTimes.Spread(200, rate, 100, 2))
        {
            double middle = shown + (ticks / 2.0);
            Assert.That(middle / 100 * rate, Is.InRange(frame - 0.5, frame + 1.5), $"frame {frame}");
            shown += ticks;
        }
    }

    [TestCase(60)]
    [TestCase(100)]
    public void FastGifsAreShownAtTheirSpeed(double rate)
    {
        var clip = new VideoClip([.. Enumerable.Range(0, 30 * 3).Select(index => index / 90f)], 30, 1, 1);
        VideoFile.Write(In("fast.gif"), clip, rate);
        using var images = new MagickImageCollection(In("fast.gif"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(images.Select(image => image.AnimationDelay), Is.All.GreaterThan(1), "browsers show 0 and 1 for a tenth of a second");
            Assert.That(images.Sum(image => image.AnimationDelay), Is.EqualTo(Math.Round(30 * 100 / rate)));
        }
    }

    [TestCase(24, 42, 41)]
    [TestCase(60, 17, 16)]
    [TestCase(100, 12, 11)]
    public void WebPHoldsThousandths(double rate, int longest, int shortest)
    {
        var clip = new VideoClip([.. Enumerable.Range(0, 30 * 3).Select(index => index / 90f)], 30, 1, 1);
        VideoFile.Write(In("fast.webp"), clip, rate);
        int[] durations = [.. WebPDurations(File.ReadAllBytes(In("fast.webp")))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(durations, Is.All.InRange(shortest, longest));
            Assert.That(durations.Sum(), Is.EqualTo(Math.Round(30 * 1000 / rate)));
        }
    }

    [Test]
    public void AFrameThatAFormatCannotHoldIsRefused()
    {
        var clip = new VideoClip(new float[3], 1, 1, 1);
        Assert.That(() => VideoFile.Write(In("slow.gif"), clip, 0.001), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("655.35"));
        Assert.That(Directory.GetFileSystemEntries(Root), Is.Empty);
    }

    private static IEnumerable<int> WebPDurations(byte[] file)
    {
        for (int at = 12; at + 8 <= file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 4));
            if (file.AsSpan(at, 4).SequenceEqual("ANMF"u8))
            {
                yield return file[at + 20] | (file[at + 21] << 8) | (file[at + 22] << 16);
            }

            at += 8 + length + (length % 2);
        }
    }
}
