using System.Text.RegularExpressions;
using ImageMagick;
using Microsoft.ML.VideoAlignment.Video;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// Reads and writes videos. The extension chooses the format to write: .gif, .webp, .png (the frames in a row), .mp4 (if ffmpeg is installed).
/// </summary>
/// <remarks>
/// GIF stores times in hundredths of a second, WebP in thousandths: they are rounded so that the video keeps its length. Browsers slow down frames of 10 ms or
/// less, so above 50 (GIF) or 90 (WebP) frames per second some are left out, evenly.
/// </remarks>
public static partial class VideoFile
{
    /// <summary>Extensions that <see cref="Write(string, VideoClip, double, int)"/> supports.</summary>
    public static IReadOnlyList<string> Extensions { get; } = [".gif", ".webp", ".png", ".mp4"];

    /// <summary>
    /// Extensions of the videos that <see cref="Read(string)"/> supports: animated images, and video files, for which ffmpeg must be installed. Still images
    /// are read as well.
    /// </summary>
    public static IReadOnlyList<string> ReadableExtensions { get; } = [".gif", ".webp", .. Ffmpeg.Extensions];

    /// <summary>Writes a video; an existing file is replaced once the new one is whole.</summary>
    /// <param name="path">The file; its folder must exist. The name is taken literally.</param>
    /// <param name="clip">The video.</param>
    /// <param name="framesPerSecond">Above 0, at most 100.</param>
    /// <param name="scale">Each pixel becomes scale x scale, without smoothing: small videos stay sharp.</param>
    /// <exception cref="NotSupportedException">Unknown extension, or .mp4 without ffmpeg.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    /// <exception cref="TimeoutException">ffmpeg took longer than ten minutes.</exception>
    public static void Write(string path, VideoClip clip, double framesPerSecond = 8, int scale = 1) =>
        Write(path, clip, new VideoWriteOptions { FramesPerSecond = framesPerSecond, Scale = scale });

    /// <summary>Writes frames as a video; an existing file is replaced once the new one is whole.</summary>
    /// <param name="path">The file; its folder must exist. The name is taken literally.</param>
    /// <param name="frames">[T, 3, H, W], RGB in [0, 1], on any device.</param>
    /// <param name="framesPerSecond">Above 0, at most 100.</param>
    /// <param name="scale">Each pixel becomes scale x scale, without smoothing: small videos stay sharp.</param>
    /// <exception cref="NotSupportedException">Unknown extension, or .mp4 without ffmpeg.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    /// <exception cref="TimeoutException">ffmpeg took longer than ten minutes.</exception>
    public static void Write(string path, Tensor frames, double framesPerSecond = 8, int scale = 1) =>
        Write(path, VideoClip.FromTensor(frames), framesPerSecond, scale);

    /// <summary>Writes a video; an existing file is replaced once the new one is whole.</summary>
    /// <param name="path">The file; its folder must exist. The name is taken literally.</param>
    /// <param name="clip">The video.</param>
    /// <param name="options">Frame rate, scale and timeout.</param>
    /// <param name="cancellationToken">Ends ffmpeg.</param>
    /// <exception cref="NotSupportedException">Unknown extension, or .mp4 without ffmpeg.</exception>
    /// <exception cref="IOException">The file cannot be written; nothing is left of it.</exception>
    /// <exception cref="TimeoutException">ffmpeg took longer than <see cref="VideoWriteOptions.Timeout"/>.</exception>
    /// <exception cref="OperationCanceledException">Writing was canceled.</exception>
    public static void Write(string path, VideoClip clip, VideoWriteOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(clip);
        ArgumentNullException.ThrowIfNull(options);
        (double framesPerSecond, int scale) = (options.FramesPerSecond, options.Scale);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        if (!(framesPerSecond is > 0 and <= 100))
        {
            throw new ArgumentOutOfRangeException(nameof(options), framesPerSecond, "Frames per second must be above 0 and at most 100.");
        }

        if (3L * clip.Height * clip.Width > Array.MaxLength / scale / scale)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), scale,
                $"Frames of {clip.Width} x {clip.Height} pixels cannot be enlarged so much: expected at most {Array.MaxLength / 3} pixels.");
        }

        RequireTimeout(options.Timeout);
        string extension = Path.GetExtension(path).ToLowerInvariant();
        Action<string> write = extension switch
        {
            ".gif" => temporary => WriteImage(temporary, output => AnimatedImage.WriteGif(output, clip, framesPerSecond, scale)),
            ".webp" => temporary => WriteImage(temporary, output => AnimatedImage.WriteWebP(output, clip, framesPerSecond, scale)),
            ".png" => temporary => WriteImage(temporary, output => AnimatedImage.WritePng(output, clip, scale)),
            ".mp4" => temporary => Ffmpeg.Write(temporary, clip, framesPerSecond, scale, timeout: options.Timeout, cancellation: cancellationToken),
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
        catch (MagickException error)
        {
            throw new IOException($"'{path}' cannot be written as {extension}: {error.Message}", error);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>
    /// Reads a video: an animated image (GIF, WebP), a video file (MP4, MOV, WebM, MKV, AVI; if ffmpeg is installed), a folder of PNG files as its frames, in
    /// the order of their names (2 before 10), or a still image as one frame. An animated PNG is refused.
    /// </summary>
    /// <param name="path">The file or the folder.</param>
    /// <returns>The frames, RGB in [0, 1], each once. They are rotated as the file says, and white where they are transparent; color profiles are not
    /// applied.</returns>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    /// <exception cref="InvalidDataException">The file is not what its extension says, damaged or larger than <see cref="VideoReadOptions"/> allow, the folder
    /// has no PNG file, or frames differ in size.</exception>
    /// <exception cref="UnauthorizedAccessException">A frame of the folder is a symbolic link that leads out of it.</exception>
    /// <exception cref="NotSupportedException">The file is a video file, and ffmpeg is not installed.</exception>
    /// <exception cref="TimeoutException">ffmpeg took longer than ten minutes.</exception>
    public static VideoClip Read(string path) => Read(path, new VideoReadOptions());

    /// <inheritdoc cref="Read(string)"/>
    /// <param name="path">The file or the folder.</param>
    /// <param name="options">Sampling rate and limits.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="OperationCanceledException">Reading was canceled.</exception>
    public static VideoClip Read(string path, VideoReadOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(options);
        RequireTimeout(options.Timeout);
        if (options.FramesPerSecond is { } rate && !(rate is > 0 and <= 1000))
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), rate, $"{nameof(VideoReadOptions.FramesPerSecond)} must be above 0 and at most 1000, or null.");
        }

        var frames = new FrameList(path, options, cancellationToken);
        if (Directory.Exists(path))
        {
            foreach (string file in FrameFiles(path))
            {
                frames.AddFirst(file);
            }
        }
        else if (!File.Exists(path))
        {
            throw new FileNotFoundException($"'{path}' does not exist: expected a video or an image file, or a folder of PNG frames.", path);
        }
        else if (Ffmpeg.IsNamed(path))
        {
            frames.RequireFileSize(path);
            Ffmpeg.Read(path, options, frames.Add, cancellation: cancellationToken);
        }
        else
        {
            frames.AddAll(path);
        }

        return frames.ToClip();
    }

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();

    private static IReadOnlyList<string> FrameFiles(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file).Equals(".png", StringComparison.OrdinalIgnoreCase))];
        if (files.Length == 0)
        {
            throw new InvalidDataException($"The folder '{folder}' holds no PNG file: expected the frames of one video.");
        }

        return
        [
            .. files.OrderBy(file => Digits().Replace(Path.GetFileName(file), number => number.Value.PadLeft(20, '0')), StringComparer.Ordinal)
                .Select(file => ImageFolder.Resolve(folder, Path.GetFileName(file)) ?? throw new UnauthorizedAccessException(
                    $"'{file}' is a link that leads out of its folder, or has the name of a device: expected a file of the folder. Copy the frame into it.")),
        ];
    }

    private static void RequireTimeout(TimeSpan timeout)
    {
        if (timeout <= TimeSpan.Zero || timeout.TotalMilliseconds > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "The timeout must be above 0 and at most 24 days.");
        }
    }

    private static void WriteImage(string temporary, Action<Stream> write)
    {
        using var output = new FileStream(temporary, FileMode.CreateNew);
        write(output);
    }
}
