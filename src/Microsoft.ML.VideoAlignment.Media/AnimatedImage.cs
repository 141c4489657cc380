using System.Globalization;
using ImageMagick;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>Writes GIF, WebP and PNG through Magick.NET, into streams: it would read a path for patterns and prefixes.</summary>
internal static class AnimatedImage
{
    private const int GifTicks = 100;
    private const uint GifShortest = 2; // browsers show 0 and 1 for a tenth of a second
    private const uint GifLongest = ushort.MaxValue;
    private const int WebPTicks = 1000;
    private const uint WebPShortest = 11; // and here 10 and less
    private const uint WebPLongest = (1 << 24) - 1;

    /// <summary>Writes an animated GIF with 256 colors for all frames together.</summary>
    /// <param name="output">Receives the file; stays open.</param>
    /// <param name="clip">The video.</param>
    /// <param name="framesPerSecond">Above 0.</param>
    /// <param name="scale">Each pixel becomes scale x scale.</param>
    /// <exception cref="ArgumentOutOfRangeException">A frame would be shown for longer than the format holds.</exception>
    public static void WriteGif(Stream output, VideoClip clip, double framesPerSecond, int scale)
    {
        using MagickImageCollection images = CreateAnimation(clip, framesPerSecond, scale, GifTicks, GifShortest, GifLongest);
        images.Quantize(new QuantizeSettings { Colors = 256, DitherMethod = DitherMethod.No });
        images.Write(output, MagickFormat.Gif);
    }

    /// <summary>Writes an animated WebP without loss.</summary>
    /// <param name="output">Receives the file; stays open.</param>
    /// <param name="clip">The video.</param>
    /// <param name="framesPerSecond">Above 0.</param>
    /// <param name="scale">Each pixel becomes scale x scale.</param>
    /// <exception cref="ArgumentOutOfRangeException">A frame would be shown for longer than the format holds.</exception>
    public static void WriteWebP(Stream output, VideoClip clip, double framesPerSecond, int scale)
    {
        using MagickImageCollection images = CreateAnimation(clip, framesPerSecond, scale, WebPTicks, WebPShortest, WebPLongest);
        foreach (IMagickImage<byte> image in images)
        {
            image.Settings.SetDefine(MagickFormat.WebP, "lossless", true);
        }

        images.Write(output, MagickFormat.WebP);
    }

    /// <summary>Writes a PNG of the frames in a row.</summary>
    /// <param name="output">Receives the file; stays open.</param>
    /// <param name="clip">The video.</param>
    /// <param name="scale">Each pixel becomes scale x scale.</param>
    public static void WritePng(Stream output, VideoClip clip, int scale)
    {
        using MagickImage image = Image(clip.FrameStrip(), 0, scale);
        image.Write(output, MagickFormat.Png24);
    }

    private static MagickImageCollection CreateAnimation(VideoClip clip, double framesPerSecond, int scale, int ticksPerSecond, uint shortest, uint longest)
    {
        var images = new MagickImageCollection();
        foreach ((int frame, uint ticks) in FrameTimes.Spread(clip.Frames, framesPerSecond, ticksPerSecond, shortest))
        {
            if (ticks > longest)
            {
                double seconds = ticks / (double)ticksPerSecond;
                throw new ArgumentOutOfRangeException(nameof(framesPerSecond), framesPerSecond, string.Create(
                    CultureInfo.InvariantCulture,
                    $"A frame would be shown for {seconds} s: expected at most {longest / (double)ticksPerSecond} in this format. ")
                    + "Write .mp4, or repeat each frame.");
            }

            MagickImage image = Image(clip, frame, scale);
            image.AnimationDelay = ticks;
            image.AnimationTicksPerSecond = ticksPerSecond;
            image.AnimationIterations = 0;
            image.GifDisposeMethod = GifDisposeMethod.None;
            images.Add(image);
        }

        return images;
    }

    private static MagickImage Image(VideoClip clip, int frame, int scale)
    {
        var settings = new PixelReadSettings((uint)(clip.Width * scale), (uint)(clip.Height * scale), StorageType.Char, PixelMapping.RGB);
        var image = new MagickImage();
        image.ReadPixels(clip.ToPixels(frame, scale), settings);
        return image;
    }
}
