namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Runs the parts of a step at once: part 0 on the caller's thread, the others on threads of their own. The thread pool will not do: on a busy machine it
/// holds its workers back, and the caller computes every part by itself.
/// </summary>
internal sealed class SideBySide : IDisposable
{
    private readonly Barrier _start;
    private readonly Barrier _end;
    private readonly Exception?[] _failures;
    private Action<int>? _work;

    public SideBySide(int parts)
    {
        Parts = parts;
        (_start, _end, _failures) = (new Barrier(parts), new Barrier(parts), new Exception?[parts]);
        for (int part = 1; part < parts; part++)
        {
            int mine = part;
            new Thread(() => Serve(mine)) { IsBackground = true, Name = $"part {part}" }.Start();
        }
    }

    /// <summary>How many parts run at once.</summary>
    public int Parts { get; }

    /// <summary>Calls <paramref name="work"/> with 0 .. parts - 1 and returns when all are done.</summary>
    public void Run(Action<int> work)
    {
        _work = work;
        _start.SignalAndWait();
        Call(0);
        _end.SignalAndWait();
        if (_failures.FirstOrDefault(failure => failure is not null) is { } failed)
        {
            throw new InvalidOperationException("A part of the step failed.", failed);
        }
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        _work = null;
        _start.SignalAndWait();
        _end.SignalAndWait(); // the threads may still be leaving it, so neither barrier is disposed
    }

    private void Serve(int part)
    {
        while (true)
        {
            _start.SignalAndWait();
            bool ending = _work is null;
            Call(part);
            _end.SignalAndWait();
            if (ending)
            {
                return;
            }
        }
    }

    private void Call(int part)
    {
        try
        {
            _work?.Invoke(part);
        }
        catch (Exception failure)
        {
            _failures[part] = failure;
        }
    }
}
