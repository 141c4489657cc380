namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// The folder of one run: a lock, and its newest two states, so that one is intact whatever happens to the other. Only files that the run itself wrote are ever
/// removed.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    private readonly string _path;
    private readonly RunLock _lock;
    private readonly string _run;
    private RunFingerprint _fingerprint = new([]);
    private int? _newest;

    private RunFolder(string path, RunLock held, string run, RunState? found) =>
        (_path, _lock, _run, Found, _newest) = (path, held, run, found, found?.Step);

    /// <summary>The state to resume from; null: the run starts from the beginning.</summary>
    public RunState? Found { get; }

    /// <summary>Whether samples, scores and measurements from before the state no longer compare.</summary>
    public bool Remeasures { get; private set; }

    /// <summary>Creates the error for a folder that cannot be written.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="error">Why it cannot be written.</param>
    public static RunFolderException CreateUnwritable(string path, Exception error) =>
        new(
            path, $"the state of a run cannot be written here: {error.Message} "
            + "Name a folder on a disk with free space that this process may write to (RunFolder).", error);

    /// <summary>Locks the folder, creating it if it does not exist, and finds the newest readable state.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="log">Receives one line for each state that cannot be read or belongs to another run.</param>
    /// <returns>The folder, locked until it is disposed.</returns>
    /// <exception cref="RunFolderException">Another run uses the folder, it cannot be written, or none of its states can be read.</exception>
    public static RunFolder Open(string path, Action<string> log)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw CreateUnwritable(path, error);
        }

        RunLock held = RunLock.Acquire(path);
        RunState? state = null;
        try
        {
            RemovePartials(path);
            string run = Owner(path, held) ?? Guid.NewGuid().ToString("N");
            state = Newest(path, run, log);
            var folder = new RunFolder(path, held, state?.Run ?? run, state);
            if (held.Owner != folder._run)
            {
                held.SetOwner(folder._run);
            }

            return folder;
        }
        catch (Exception error)
        {
            state?.Dispose();
            held.Dispose();
            if (error is UnauthorizedAccessException or IOException and not RunFolderException)
            {
                throw CreateUnwritable(path, error);
            }

            throw;
        }
    }

    /// <summary>Compares this run with the one that wrote the state; later states record the present facts.</summary>
    /// <param name="fingerprint">What decides what this run computes.</param>
    /// <param name="log">Receives what differs, one line for each kind.</param>
    /// <exception cref="RunFolderException">This run cannot resume from these states.</exception>
    public void Compare(RunFingerprint fingerprint, Action<string> log)
    {
        _fingerprint = fingerprint;
        IReadOnlyList<(RunFact Now, string Before)> differences = Found is null ? [] : fingerprint.FindDifferences(Found.Facts);
        RequireSameRun([.. differences.Where(pair => pair.Now.Change == FactChange.Breaks)]);
        foreach (IGrouping<string, (RunFact Now, string Before)> kind in differences.GroupBy(pair => pair.Now.Kind))
        {
            string repeated = kind.Any(pair => pair.Now.Change == FactChange.Remeasures)
                ? "; earlier samples, scores and measurements no longer count"
                : "";
            log($"RunFolder '{_path}': {kind.Key} changed since step {Found!.Step}: {RunFingerprint.Describe(kind)}. "
                + $"The run continues with the new values{repeated}.");
        }

        Remeasures = differences.Any(pair => pair.Now.Change == FactChange.Remeasures);
    }

    /// <summary>Writes the state after a step, and then removes those older than the one before it.</summary>
    /// <param name="step">Optimizer steps done.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="content">The sections of the run's parts.</param>
    /// <exception cref="RunFolderException">The state cannot be written; earlier states are unchanged.</exception>
    public void Write(int step, int seed, StateWriter content)
    {
        try
        {
            RunState.Write(Path.Combine(_path, StateName.Create(_run, step).FileName), _run, step, seed, _fingerprint, content);
            if (step != _newest)
            {
                foreach (StateName old in States(_path).Where(name => name.BelongsTo(_run) && name.Step < (_newest ?? step)))
                {
                    File.Delete(Path.Combine(_path, old.FileName));
                }
            }

            _newest = step;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw CreateUnwritable(_path, error);
        }
    }

    public void Dispose()
    {
        Found?.Dispose();
        _lock.Dispose();
    }

    private static StateName[] States(string path) =>
        [.. Directory.EnumerateFiles(path).Select(file => StateName.Parse(Path.GetFileName(file))).OfType<StateName>().OrderByDescending(name => name.Step)];

    // The run that owns the folder; null: none yet. Throws where the lock names no owner and there are states of several runs.
    private static string? Owner(string path, RunLock held)
    {
        string[] runs = [.. States(path).Select(name => name.Run).Distinct()];
        return held.Owner ?? (runs.Length <= 1 ? runs.FirstOrDefault() : throw new RunFolderException(
            path, $"states of {runs.Length} runs are here ({string.Join(", ", runs.Select(run => $"state-*-{run}"))}), and it is not clear which to resume. "
            + "Leave those of one, or name another RunFolder."));
    }

    // The newest readable state of a run; null: it has none.
    private static RunState? Newest(string path, string run, Action<string> log)
    {
        StateName[] all = States(path), own = [.. all.Where(name => name.BelongsTo(run))];
        if (own.Length < all.Length)
        {
            log($"RunFolder '{path}' holds states of another run, which are not touched: "
                + $"{string.Join(", ", all.Except(own).Select(name => name.FileName))}.");
        }

        var faults = new List<string>();
        foreach (StateName name in own)
        {
            try
            {
                RunState state = Open(Path.Combine(path, name.FileName), run, name.Step);
                faults.ForEach(fault => log($"{fault} The run resumes from the state before it, {name.FileName}."));
                return state;
            }
            catch (RunFolderException error)
            {
                faults.Add($"RunFolder: {error.Message.TrimEnd('.')}.");
            }
        }

        return faults.Count == 0 ? null : throw new RunFolderException(
            path, "none of the run's states can be read. Restore one from a backup, name another RunFolder, or delete this one to start over. "
            + string.Join(' ', faults));
    }

    // Opens a state whose content must match its name.
    private static RunState Open(string file, string run, int step)
    {
        var state = RunState.Open(file);
        if (state.Run.StartsWith(run, StringComparison.Ordinal) && state.Step == step)
        {
            return state;
        }

        (string foreign, int other) = (state.Run, state.Step);
        state.Dispose();
        throw new RunFolderException(file, $"its name says step {step} of run {run}, and its content is step {other} of run {foreign}");
    }

    // Removes what killed processes were writing; no other process is, since the lock is held.
    private static void RemovePartials(string path)
    {
        foreach (string file in Directory.EnumerateFiles(path).Where(file => StateName.IsPartial(Path.GetFileName(file))))
        {
            File.Delete(file);
        }
    }

    private void RequireSameRun((RunFact Now, string Before)[] broken)
    {
        if (broken.Length > 0)
        {
            throw new RunFolderException(
                _path, $"its states are of another run ({Path.GetFileName(Found!.Location)}), from which this one cannot resume: "
                + $"{string.Join("; ", broken.GroupBy(pair => pair.Now.Kind).Select(kind => $"{kind.Key}: {RunFingerprint.Describe(kind)}"))}. "
                + "Name another RunFolder, or delete this one to start over.");
        }
    }
}
