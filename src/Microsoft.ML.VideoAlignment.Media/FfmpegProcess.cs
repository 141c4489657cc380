using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// One run of a program without a shell. The program and the processes it started are ended when the time is over, the run is canceled, or the consumer of its
/// output throws.
/// </summary>
/// <param name="program">A name, which is looked up on the PATH only, or a path.</param>
/// <param name="arguments">Passed as they are; nothing is quoted or expanded.</param>
/// <param name="timeout">How long the program may run.</param>
/// <param name="timeoutOption">The option that sets <paramref name="timeout"/>, for the error.</param>
/// <param name="otherwise">What to do if the program is missing, for the error.</param>
internal sealed class FfmpegProcess(string program, IReadOnlyList<string> arguments, TimeSpan timeout, string timeoutOption, string otherwise)
{
    private const int ComplaintLength = 1000;

    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);

    /// <summary>Finds the full path of a program; null if there is none. The working folder, which may hold strangers' files, is not searched.</summary>
    /// <param name="program">A name, which is looked up on the PATH only, or a path.</param>
    public static string? Find(string program)
    {
        if (Path.GetFileName(program) != program)
        {
            return File.Exists(program) ? Path.GetFullPath(program) : null;
        }

        string file = OperatingSystem.IsWindows() && !Path.HasExtension(program) ? program + ".exe" : program;
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(Path.IsPathFullyQualified)
            .Select(folder => Path.Combine(folder, file)).FirstOrDefault(IsExecutable);
    }

    /// <summary>Runs the program to its end.</summary>
    /// <param name="feed">Writes its standard input; null: empty.</param>
    /// <param name="consume">Reads its standard output.</param>
    /// <param name="cancellation">Ends the program.</param>
    /// <returns>Its exit code, and the end of what it wrote to standard error, in one line.</returns>
    /// <exception cref="NotSupportedException">The program was not found.</exception>
    /// <exception cref="TimeoutException">The program took too long.</exception>
    /// <exception cref="OperationCanceledException">The run was canceled.</exception>
    public (int Code, string Complaint) Run(Action<Stream>? feed, Action<Stream> consume, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(Find(program) ?? throw Missing(null), arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                StandardErrorEncoding = Encoding.UTF8,
                UseShellExecute = false,
                CreateNoWindow = true,
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception error)
        {
            throw Missing(error);
        }

        using var over = new CancellationTokenSource(timeout);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellation);
        using CancellationTokenRegistration end = ending.Token.Register(() => End(process));
        var complaint = new StringBuilder();
        Task errors = Task.Run(() => ReadEnd(process.StandardError, complaint), CancellationToken.None);
        Task<Exception?> feeding = Task.Run(() => Feed(process, feed), CancellationToken.None);
        Exception? failure = Try(process, () => consume(process.StandardOutput.BaseStream));
        process.WaitForExit();
        Task.WaitAll([errors, feeding], s_grace);
        cancellation.ThrowIfCancellationRequested();
        string said = Line(complaint);
        if (over.IsCancellationRequested)
        {
            string last = said.Length > 0 ? $" It said: {said}" : "";
            throw new TimeoutException(
                $"{program} was ended: expected it to finish within {timeout}.{last} Raise {timeoutOption}.");
        }

        // Where the program failed, its own message says more than that a pipe broke.
        foreach (Exception? error in new[] { failure, feeding.IsCompletedSuccessfully ? feeding.Result : null })
        {
            if (error is not null && (error is not IOException || process.ExitCode == 0))
            {
                ExceptionDispatchInfo.Throw(error);
            }
        }

        return (process.ExitCode, said);
    }

    // Writes and closes the input.
    private static Exception? Feed(Process process, Action<Stream>? feed) => Try(process, () =>
    {
        using Stream input = process.StandardInput.BaseStream;
        feed?.Invoke(input);
    });

    // Returns what was thrown. The program is ended then, unless a pipe broke, which means that it has already ended.
    private static Exception? Try(Process process, Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (IOException error)
        {
            return error;
        }
        catch (Exception error)
        {
            End(process);
            return error;
        }
    }

    private static void ReadEnd(StreamReader reader, StringBuilder complaint)
    {
        char[] buffer = new char[ComplaintLength];
        for (int count = reader.Read(buffer); count > 0; count = reader.Read(buffer))
        {
            lock (complaint)
            {
                complaint.Append(buffer, 0, count);
                complaint.Remove(0, Math.Max(0, complaint.Length - ComplaintLength));
            }
        }
    }

    private static string Line(StringBuilder complaint)
    {
        lock (complaint)
        {
            return string.Join("; ", complaint.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        }
    }

    private static void End(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception error) when (error is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It ended by itself meanwhile.
        }
    }

    private static bool IsExecutable(string path)
    {
        const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & Execute) != 0);
    }

    private NotSupportedException Missing(Exception? error) => new(
        $"Video files such as MP4 need the program '{program}', which was not found on the PATH. Install it "
        + $"(Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg), or {otherwise}.", error);
}
