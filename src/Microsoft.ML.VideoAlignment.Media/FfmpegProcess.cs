using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>One run of a program without a shell. It and what it started are ended when the time is over, the run is canceled, or who reads it throws.</summary>
/// <param name="program">A name, which is sought on the PATH alone, or a path.</param>
/// <param name="arguments">One by one; nothing is quoted or expanded.</param>
/// <param name="timeout">How long it may run.</param>
/// <param name="timeoutOption">The option that sets <paramref name="timeout"/>, for the error.</param>
/// <param name="otherwise">What to do where the program is missing, for the error.</param>
internal sealed class FfmpegProcess(string program, IReadOnlyList<string> arguments, TimeSpan timeout, string timeoutOption, string otherwise)
{
    private const int ComplaintLength = 1000;

    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);

    /// <summary>The full path of a program; null where it is not there. The working folder, where strangers' files lie, is not looked in.</summary>
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

    /// <summary>Runs it to its end.</summary>
    /// <param name="feed">Writes its standard input; null: that is empty.</param>
    /// <param name="consume">Reads its standard output.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>Its exit code, and the end of what it wrote to standard error, in one line.</returns>
    /// <exception cref="NotSupportedException">It is not there.</exception>
    /// <exception cref="TimeoutException">It took too long.</exception>
    /// <exception cref="OperationCanceledException">It was canceled.</exception>
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
            throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"{program} was ended: expected it to be done within {timeout}.{last} Raise {timeoutOption}."));
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

    /// <summary>Writes and closes the input.</summary>
    private static Exception? Feed(Process process, Action<Stream>? feed) => Try(process, () =>
    {
        using Stream input = process.StandardInput.BaseStream;
        feed?.Invoke(input);
    });

    /// <summary>What was thrown; the program is ended then, save where a pipe broke, which is the end of it.</summary>
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

    private static bool IsExecutable(string path) =>
        File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);

    private NotSupportedException Missing(Exception? error) => new(
        $"Video files such as MP4 need the program '{program}', which was not found on the PATH. Install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg), or {otherwise}.", error);
}
