using System.Text.RegularExpressions;
using ImageMagick;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// Writes and reads videos. The extension chooses the format that is written: .gif, .webp, .png (the frames in a row), .mp4 (where ffmpeg is installed).
/// </summary>
public static partial class VideoFile
{
    /// <summary>Extensions that <see cref="Write(string, VideoClip, double, int)"/> knows.</summary>
    public static IReadOnlyList<string> Extensions { get; } = [".gif", ".webp", ".png", ".mp4"];

    /// <summary>Writes a video; an existing file is replaced once the new one is whole.</summary>
    /// <param name="path">Where to; its folder must exist.</param>
    /// <param name="clip">The video.</param>
    /// <param name="framesPerSecond">Above 0, at most 100. GIF holds times in hundredths of a second: they are rounded so that the whole keeps its length.</param>
    /// <param name="scale">Each pixel becomes scale x scale, without smoothing: small videos stay sharp.</param>
    /// <exception cref="NotSupportedException">Unknown extension, or .mp4 without ffmpeg.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left behind.</exception>
    public static void Write(string path, VideoClip clip, double framesPerSecond = 8, int scale = 1)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(clip);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        if (!(framesPerSecond is > 0 and <= 100))
        {
            throw new ArgumentOutOfRangeException(nameof(framesPerSecond), framesPerSecond, "Frames per second must be above 0 and at most 100.");
        }

        string extension = Path.GetExtension(path).ToLowerInvariant();
        Action<string> write = extension switch
        {
            ".gif" => temporary => WriteImages(temporary, clip, framesPerSecond, scale, MagickFormat.Gif),
            ".webp" => temporary => WriteImages(temporary, clip, framesPerSecond, scale, MagickFormat.WebP),
            ".png" => temporary => WriteImages(temporary, clip.FilmStrip(), framesPerSecond, scale, MagickFormat.Png24),
            ".mp4" => temporary => Ffmpeg.Write(temporary, clip, framesPerSecond, scale),
            _ => throw new NotSupportedException($"'{path}': unknown extension '{extension}'; known are {string.Join(", ", Extensions)}."),
        };

        string full = Path.GetFullPath(path);
        if (!Directory.Exists(Path.GetDirectoryName(full)))
        {
            throw new DirectoryNotFoundException($"'{path}': its folder does not exist; create it first.");
        }

        string temporary = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            write(temporary);
            File.Move(temporary, full, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Writes frames [T, 3, H, W], RGB in [0, 1].</summary>
    /// <inheritdoc cref="Write(string, VideoClip, double, int)"/>
    public static void Write(string path, Tensor frames, double framesPerSecond = 8, int scale = 1) =>
        Write(path, VideoClip.FromTensor(frames), framesPerSecond, scale);

    /// <summary>Reads an animated picture (GIF, WebP), or a folder of PNG files as the frames of one video, in the order of their names (2 before 10).</summary>
    /// <param name="path">The file, or the folder.</param>
    /// <returns>The frames, RGB in [0, 1]. Where pixels are transparent they are white. Times between frames are not kept.</returns>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    /// <exception cref="InvalidDataException">It is no picture, the folder has no PNG file, or frames differ in size.</exception>
    public static VideoClip Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var images = new MagickImageCollection();
        foreach (string file in Directory.Exists(path) ? FrameFiles(path) : [path])
        {
            if (!File.Exists(file))
            {
                throw new FileNotFoundException($"'{file}' does not exist: expected an animated picture, or a folder of PNG frames.", file);
            }

            try
            {
                images.AddRange(file);
            }
            catch (MagickException error)
            {
                throw new InvalidDataException($"'{file}' cannot be read as a picture: {error.Message}", error);
            }
        }

        if (!Directory.Exists(path))
        {
            images.Coalesce(); // frames of a GIF may hold only what changed
        }

        return Clip(path, images);
    }

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();

    private static IReadOnlyList<string> FrameFiles(string folder)
    {
        string[] files = Directory.GetFiles(folder, "*.png");
        return files.Length > 0
            ? [.. files.OrderBy(file => Digits().Replace(Path.GetFileName(file), number => number.Value.PadLeft(20, '0')), StringComparer.Ordinal)]
            : throw new InvalidDataException($"The folder '{folder}' holds no PNG file: expected the frames of one video.");
    }

    /// <summary>Bytes [H, W, RGB] of each frame -> [T, 3, H, W].</summary>
    private static VideoClip Clip(string path, MagickImageCollection images)
    {
        (int height, int width) = (checked((int)images[0].Height), checked((int)images[0].Width));
        int plane = height * width;
        float[] values = new float[images.Count * 3 * plane];
        for (int frame = 0; frame < images.Count; frame++)
        {
            IMagickImage<byte> image = images[frame];
            if (image.Height != height || image.Width != width)
            {
                throw new InvalidDataException($"'{path}': frame {frame} is {image.Width} x {image.Height}, the first {width} x {height}; frames of a video share one size.");
            }

            image.ColorSpace = ColorSpace.sRGB;
            image.BackgroundColor = MagickColors.White;
            image.Alpha(AlphaAction.Remove);
            using IPixelCollection<byte> pixels = image.GetPixels();
            byte[] bytes = pixels.ToByteArray(PixelMapping.RGB)!;
            for (int channel = 0; channel < 3; channel++)
            {
                int start = ((frame * 3) + channel) * plane;
                for (int pixel = 0; pixel < plane; pixel++)
                {
                    values[start + pixel] = bytes[(3 * pixel) + channel] / 255f;
                }
            }
        }

        return new VideoClip(values, images.Count, height, width);
    }

    private static void WriteImages(string path, VideoClip clip, double framesPerSecond, int scale, MagickFormat format)
    {
        using var images = new MagickImageCollection();
        uint shown = 0;
        for (int frame = 0; frame < clip.Frames; frame++)
        {
            var settings = new PixelReadSettings((uint)(clip.Width * scale), (uint)(clip.Height * scale), StorageType.Char, PixelMapping.RGB);
            var image = new MagickImage();
            image.ReadPixels(clip.Pixels(frame, scale), settings);
            uint until = (uint)Math.Round((frame + 1) * 100 / framesPerSecond);
            image.AnimationDelay = Math.Max(1, until - shown);
            image.AnimationTicksPerSecond = 100;
            image.AnimationIterations = 0;
            image.GifDisposeMethod = GifDisposeMethod.None;
            shown = until;
            images.Add(image);
        }

        if (format == MagickFormat.Gif)
        {
            images.Quantize(new QuantizeSettings { Colors = 256, DitherMethod = DitherMethod.No });
        }
        else if (format == MagickFormat.WebP)
        {
            foreach (IMagickImage<byte> image in images)
            {
                image.Settings.SetDefine(MagickFormat.WebP, "lossless", true);
            }
        }

        images.Write(path, format);
    }
}
