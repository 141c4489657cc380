using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Runs a phase as a process, collects what it prints, and ends it when its time is up.</summary>
internal static class PhaseProcess
{
    private const int TailLines = 20, MostStarts = 4;

    /// <summary>Runs a phase; one that can go on is started again after the case that ended it.</summary>
    /// <param name="phase">The phase.</param>
    /// <param name="limit">The seconds that it may take, at most those of the phase.</param>
    public static PhaseResult Run(CheckPhase phase, double limit)
    {
        var clock = Stopwatch.StartNew();
        var rows = new List<CheckRow>();
        var tail = new Queue<string>();
        limit = Math.Min(limit, phase.Limit);
        IReadOnlyList<string> arguments = phase.Arguments;
        for (int start = 1; ; start++)
        {
            int before = rows.Count;
            int? code = RunOnce(phase, arguments, TimeSpan.FromSeconds(limit) - clock.Elapsed, rows, tail);
            string trouble = code switch
            {
                0 => "",
                null => string.Create(CultureInfo.InvariantCulture, $"ended after its limit of {limit:0} s"),
                _ => string.Create(CultureInfo.InvariantCulture, $"ended with exit code {code}"),
            };
            if (code is 0 or null || phase.After is null || start == MostStarts)
            {
                return new PhaseResult(phase.Name, rows, clock.Elapsed.TotalSeconds, trouble, [.. tail]);
            }

            // A process that lost its device has said which case it was; one that crashed has not.
            if (code != CheckRow.DeviceLost)
            {
                string last = rows.Count > before ? $"the case after {rows[^1].Name}" : $"the first case of start {start}";
                rows.Add(new CheckRow(last, CheckVerdict.Failed, trouble));
            }

            arguments = phase.After(rows.Count);
        }
    }

    /// <summary>Makes a process that runs a program.</summary>
    /// <param name="program">An executable, or a managed assembly, for which its executable is taken where it lies beside it.</param>
    /// <param name="arguments">The command line.</param>
    public static ProcessStartInfo Prepare(string program, IEnumerable<string> arguments)
    {
        string executable = Path.ChangeExtension(program, OperatingSystem.IsWindows() ? ".exe" : null);
        return !program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? new ProcessStartInfo(program, arguments)
            : File.Exists(executable) ? new ProcessStartInfo(executable, arguments)
            : new ProcessStartInfo("dotnet", [program, .. arguments]);
    }

    // The exit code; null: the time was up.
    private static int? RunOnce(CheckPhase phase, IEnumerable<string> arguments, TimeSpan limit, List<CheckRow> rows, Queue<string> tail)
    {
        ProcessStartInfo start = Prepare(phase.Program, arguments);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        foreach ((string name, string value) in phase.Environment)
        {
            start.Environment[name] = value;
        }

        using var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        bool ended = process.WaitForExit(limit > TimeSpan.Zero ? limit : TimeSpan.Zero);
        if (!ended)
        {
            process.Kill(entireProcessTree: true);
        }

        // What is still on its way.
        process.WaitForExit();
        return ended ? process.ExitCode : null;

        void Take(string? line)
        {
            lock (rows)
            {
                if (line is not null && CheckRow.Read(line) is { } row)
                {
                    rows.Add(row);
                }
                else if (!string.IsNullOrWhiteSpace(line))
                {
                    tail.Enqueue(line);
                    if (tail.Count > TailLines)
                    {
                        tail.Dequeue();
                    }
                }
            }
        }
    }
}
