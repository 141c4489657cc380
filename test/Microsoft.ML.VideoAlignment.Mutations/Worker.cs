using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>A worker process as its caller sees it: started when it is needed, ended when it hangs, grows or was left in a bad state.</summary>
internal sealed class Worker(Stage stage) : IDisposable
{
    /// <summary>A test may take so many times what it took without a fault, and this many seconds besides.</summary>
    private const double SlowestFactor = 10, SlowestSeconds = 30;

    /// <summary>
    /// A test that waits for what never comes uses no processor; one on a busy machine uses little, and a process that was stopped is not asked.
    /// </summary>
    private static readonly TimeSpan s_longestIdle = TimeSpan.FromMinutes(30);

    private const long LargestMemory = 6L << 30;

    private readonly ConcurrentQueue<string> _errors = new();

    private Process? _process;
    private BlockingCollection<WorkerEvent> _events = [];

    /// <summary>Full names of the tests of these classes.</summary>
    /// <param name="classes">Without namespace.</param>
    public IReadOnlyList<string> List(IEnumerable<string> classes)
    {
        Start(["--list", string.Join(',', classes)]);
        List<string> names = [.. _events.GetConsumingEnumerable().Select(what => what.Test)];
        RequireSound(names.Count > 0);
        End();
        return names;
    }

    /// <summary>Carries out an order. What went wrong is the last event: "failed", "hang", "memory" or "crash".</summary>
    /// <param name="order">What to run.</param>
    /// <param name="usual">Processor seconds of a test without a fault.</param>
    /// <param name="onEvent">Told of each test that has ended.</param>
    public WorkerEvent Run(WorkerOrder order, Func<string, double> usual, Action<WorkerEvent>? onEvent = null)
    {
        if (_process is null)
        {
            Start([]);
            RequireSound(Take(() => null).Kind == "done");
        }

        _process!.StandardInput.WriteLine(JsonSerializer.Serialize(order));
        WorkerEvent? failure = null;
        string test = order.Tests[0];
        TimeSpan used = Used();
        var idle = new Idleness();
        while (true)
        {
            WorkerEvent what = Take(() =>
                Memory() > LargestMemory ? "memory"
                : idle.After(Used()) > s_longestIdle || (Used() - used).TotalSeconds > SlowestSeconds + (SlowestFactor * usual(test)) ? "hang"
                : null);
            switch (what.Kind)
            {
                case "done":
                    return failure ?? what;
                case "begun":
                    (test, used) = (what.Test, Used());
                    break;
                case "hang" or "memory" or "crash":
                    End();
                    return failure ?? what with { Test = test };
                default:
                    failure ??= what.Kind == "failed" && order.Faults == 0 ? what : null;
                    onEvent?.Invoke(what);
                    break;
            }
        }
    }

    /// <summary>Ends the process; the next order begins in a new one.</summary>
    public void End()
    {
        if (_process is { } process)
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            process.WaitForExit();
            process.Dispose();
            _process = null;
        }

        foreach (FileSystemInfo left in new DirectoryInfo(stage.Temporary).EnumerateFileSystemInfos())
        {
            if (left is DirectoryInfo folder)
            {
                folder.Delete(recursive: true);
            }
            else
            {
                left.Delete();
            }
        }
    }

    public void Dispose()
    {
        End();
        _events.Dispose();
    }

    private void Start(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = stage.Folder,
        };
        foreach (string argument in (string[])["exec", "--depsfile", $"{stage.Tests}.deps.json", "--runtimeconfig", $"{stage.Tests}.runtimeconfig.json",
            stage.Program, "--worker", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        foreach ((string name, string value) in new[] { ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"), ("TMPDIR", stage.Temporary),
            ("DOTNET_gcServer", "0") })
        {
            start.Environment[name] = value;
        }

        var events = new BlockingCollection<WorkerEvent>();
        _events = events;
        _process = Process.Start(start)!;
        _errors.Clear();
        _process.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
        StreamReader output = _process.StandardOutput;
        _ = Task.Run(() =>
        {
            while (output.ReadLine() is { } line)
            {
                int at = line.IndexOf(WorkerEvent.Mark, StringComparison.Ordinal);
                if (at >= 0)
                {
                    events.Add(JsonSerializer.Deserialize<WorkerEvent>(line.AsSpan(at + WorkerEvent.Mark.Length))!);
                }
            }

            events.CompleteAdding();
        });
    }

    /// <exception cref="InvalidOperationException">The worker ends before it has done anything.</exception>
    private void RequireSound(bool sound)
    {
        if (!sound)
        {
            _process!.WaitForExit();
            throw new InvalidOperationException($"The process that runs the tests does not start: {string.Join(Environment.NewLine, _errors.Take(20))}");
        }
    }

    private WorkerEvent Take(Func<string?> patience)
    {
        while (true)
        {
            try
            {
                if (_events.TryTake(out WorkerEvent? what, TimeSpan.FromSeconds(1)))
                {
                    return what;
                }
            }
            catch (InvalidOperationException)
            {
                return new WorkerEvent("crash");
            }

            if (_events.IsCompleted)
            {
                return new WorkerEvent("crash");
            }

            if (patience() is { } impatient)
            {
                return new WorkerEvent(impatient);
            }
        }
    }

    private TimeSpan Used()
    {
        _process!.Refresh();
        return _process.HasExited ? TimeSpan.Zero : _process.TotalProcessorTime;
    }

    private long Memory()
    {
        _process!.Refresh();
        return _process.HasExited ? 0 : _process.WorkingSet64;
    }

    /// <summary>Time in which the processor time does not grow by itself, between polls of about a second; a pause of this program is not counted.</summary>
    private sealed class Idleness
    {
        private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1);

        private TimeSpan _idle, _used;

        public TimeSpan After(TimeSpan used)
        {
            (_idle, _used) = (used - _used < TimeSpan.FromMilliseconds(1) ? _idle + s_poll : TimeSpan.Zero, used);
            return _idle;
        }
    }
}
