using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// Reads and writes video files through the ffmpeg program, frames by its standard input and output. Files are named with their protocol, so that no name is
/// taken for an option, an address or a pattern.
/// </summary>
internal static class Ffmpeg
{
    private const string Conversion = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp";

    private const int MetadataBytes = 1 << 16;

    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(10);

    // The demuxer of each extension that is read. Naming it keeps a playlist that is named .mp4 from opening other files.
    private static readonly Dictionary<string, string> s_demuxers = new(StringComparer.OrdinalIgnoreCase)
    {
        [".mp4"] = "mov",
        [".m4v"] = "mov",
        [".mov"] = "mov",
        [".webm"] = "matroska",
        [".mkv"] = "matroska",
        [".avi"] = "avi",
    };

    /// <summary>Whether the program is on the PATH.</summary>
    public static bool IsInstalled => FfmpegProcess.Find("ffmpeg") is not null;

    /// <summary>Extensions of the files that can be read.</summary>
    public static IReadOnlyCollection<string> Extensions => s_demuxers.Keys;

    /// <summary>Whether a file of this name is read through ffmpeg.</summary>
    /// <param name="path">The file.</param>
    public static bool IsNamed(string path) => s_demuxers.ContainsKey(Path.GetExtension(path));

    /// <summary>
    /// Writes MP4 (H.264, 4:2:0, BT.709, limited range, all tagged), whatever the path's extension. An odd side gets one more line, a copy of the last; the
    /// file's comment holds the original size, to which <see cref="Read"/> cuts.
    /// </summary>
    /// <param name="path">The file to write.</param>
    /// <param name="clip">The video.</param>
    /// <param name="framesPerSecond">Above 0.</param>
    /// <param name="scale">Each pixel becomes scale x scale.</param>
    /// <param name="program">Name or path of the program.</param>
    /// <param name="timeout">How long it may run; null: ten minutes.</param>
    /// <param name="cancellation">Ends the program.</param>
    /// <exception cref="NotSupportedException">The program was not found.</exception>
    /// <exception cref="IOException">The program failed; the message is its own.</exception>
    /// <exception cref="TimeoutException">The program took too long.</exception>
    public static void Write(
        string path, VideoClip clip, double framesPerSecond, int scale, string program = "ffmpeg", TimeSpan? timeout = null,
        CancellationToken cancellation = default)
    {
        (int height, int width) = checked((clip.Height * scale, clip.Width * scale));
        (int evenHeight, int evenWidth) = (height + (height % 2), width + (width % 2));
        string[] arguments =
        [
            "-y", "-hide_banner", "-loglevel", "error",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", $"{evenWidth}x{evenHeight}", "-r", Rate(framesPerSecond), "-i", "pipe:0",
            "-vf", $"scale=out_color_matrix=bt709:out_range=tv:{Conversion},format=yuv420p",
            "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
            "-crf", "17", "-movflags", "+faststart", .. OriginalSize.CreateArguments(height, width), "-f", "mp4", File(path),
        ];
        var process = new FfmpegProcess(
            program, arguments, timeout ?? s_timeout, $"{nameof(VideoWriteOptions)}.{nameof(VideoWriteOptions.Timeout)}", "write .gif or .webp");
        (int code, string complaint) = process.Run(
            input =>
            {
                for (int frame = 0; frame < clip.Frames; frame++)
                {
                    input.Write(OriginalSize.Extend(clip.ToPixels(frame, scale), height, width));
                }
            },
            output => output.CopyTo(Stream.Null),
            cancellation);
        if (code != 0)
        {
            throw new IOException($"{program} ended with code {code}: {complaint}");
        }
    }

    /// <summary>Reads the first video stream of a file, rotated as the file says.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Limits and sampling rate.</param>
    /// <param name="add">Receives each frame.</param>
    /// <param name="program">Name or path of the program.</param>
    /// <param name="cancellation">Ends the program.</param>
    /// <exception cref="NotSupportedException">The program was not found.</exception>
    /// <exception cref="InvalidDataException">The program cannot read the file; the message is its own.</exception>
    /// <exception cref="TimeoutException">The program took too long.</exception>
    public static void Read(string path, VideoReadOptions options, Action<RgbImage> add, string program = "ffmpeg", CancellationToken cancellation = default)
    {
        string[] input =
        [
            "-protocol_whitelist", "file", "-f", s_demuxers[Path.GetExtension(path)], "-max_pixels", Number(Math.Min(options.MaxPixels, int.MaxValue)),
            "-i", File(path),
        ];
        string sampled = options.FramesPerSecond is { } rate ? $"fps={Rate(rate)}," : "";
        string[] arguments =
        [
            // Frames get even times and are written at their rate: each once, whatever its own time was.
            "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", .. input, "-map", "0:V:0", "-an", "-sn", "-dn",
            "-vf", $"{sampled}scale=in_color_matrix=auto:out_range=pc:{Conversion},format=rgb24,settb=1/25,setpts=N", "-r", "25",
            "-f", "image2pipe", "-c:v", "ppm", "pipe:1",
        ];
        (int Height, int Width)? cut = OriginalSize.Read(Ask(["-nostdin", "-hide_banner", "-loglevel", "error", .. input, "-f", "ffmetadata", "pipe:1"]));
        int frames = 0;
        (int code, string complaint) = Start(arguments).Run(null, output =>
        {
            foreach (RgbImage image in PpmStream.Read(output, path, options.MaxPixels))
            {
                frames++;
                add(OriginalSize.Cut(image, cut));
            }
        }, cancellation);
        if (code != 0 || frames == 0)
        {
            throw Unreadable(complaint.Length > 0 ? complaint : $"it has no frame, code {code}");
        }

        string Ask(string[] question)
        {
            string answer = "";
            (int code, string complaint) = Start(question).Run(null, output => answer = Beginning(output), cancellation);
            return code == 0 ? answer : throw Unreadable(complaint);
        }

        FfmpegProcess Start(string[] arguments) => new(
            program, arguments, options.Timeout, $"{nameof(VideoReadOptions)}.{nameof(VideoReadOptions.Timeout)}",
            $"convert '{path}' to .gif, .webp or a folder of .png frames on a machine that has it");

        InvalidDataException Unreadable(string why) =>
            new($"'{path}' cannot be read as a video; {program} says: {why.TrimEnd('.')}. "
                + $"Try 'ffmpeg -i {Path.GetFileName(path)} repaired.mp4', and read that.");
    }

    // Enough of the metadata to find the size; the rest is discarded.
    private static string Beginning(Stream output)
    {
        byte[] bytes = new byte[MetadataBytes];
        int count = output.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        output.CopyTo(Stream.Null);
        return Encoding.UTF8.GetString(bytes, 0, count);
    }

    private static string File(string path) => $"file:{Path.GetFullPath(path)}";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    // A rate as a fraction where it is one of television's, which decimals only approximate: 23.976 is 24000/1001.
    private static string Rate(double framesPerSecond)
    {
        double whole = Math.Round(framesPerSecond * 1.001);
        return framesPerSecond != Math.Round(framesPerSecond) && Math.Abs(framesPerSecond - (whole / 1.001)) < 0.0005
            ? $"{Number((long)whole * 1000)}/1001"
            : framesPerSecond.ToString("0.######", CultureInfo.InvariantCulture);
    }
}
