using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>MP4 through the ffmpeg program, frames by its standard input.</summary>
internal static class Ffmpeg
{
    /// <summary>The program that is on the PATH.</summary>
    public static bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, OperatingSystem.IsWindows() ? "ffmpeg.exe" : "ffmpeg")));

    /// <summary>Writes MP4, whatever the path's extension.</summary>
    public static void Write(string path, VideoClip clip, double framesPerSecond, int scale, string program = "ffmpeg")
    {
        // yuv420p halves both sides for colour; an odd side gets one more line of the last pixels.
        string[] arguments =
        [
            "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", $"{clip.Width * scale}x{clip.Height * scale}",
            "-r", framesPerSecond.ToString(CultureInfo.InvariantCulture), "-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-f", "mp4", path,
        ];
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardError = true, UseShellExecute = false },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception error)
        {
            throw new NotSupportedException($"MP4 needs the program '{program}', which was not found: install it, or write .gif or .webp.", error);
        }

        Task<string> complaint = process.StandardError.ReadToEndAsync();
        try
        {
            using Stream input = process.StandardInput.BaseStream;
            for (int frame = 0; frame < clip.Frames; frame++)
            {
                input.Write(clip.Pixels(frame, scale));
            }
        }
        catch (IOException)
        {
            // It stopped reading: its exit code and message say why.
        }

        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new IOException($"{program} ended with code {process.ExitCode}: {complaint.Result.Trim()}");
        }
    }
}
