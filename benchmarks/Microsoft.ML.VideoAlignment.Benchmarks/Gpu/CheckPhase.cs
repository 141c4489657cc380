namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>A part of the check on a device that runs in a process of its own: after one fault of a GPU every later call of its process fails.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Program">The program: an executable, or a managed assembly that the dotnet host runs.</param>
/// <param name="Arguments">The command line.</param>
/// <param name="Limit">The seconds after which it is ended.</param>
internal sealed record CheckPhase(string Name, string Program, IReadOnlyList<string> Arguments, double Limit)
{
    /// <summary>Variables of its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Makes the command line that goes on after a number of cases; null: the phase cannot go on where it ended.</summary>
    public Func<int, IReadOnlyList<string>>? After { get; init; }
}

/// <summary>What a phase found, and how its process ended.</summary>
/// <param name="Name">The phase.</param>
/// <param name="Rows">Its comparisons.</param>
/// <param name="Seconds">How long it ran.</param>
/// <param name="Trouble">What went wrong with the process; empty: it ended as it should.</param>
/// <param name="Tail">The last lines that it printed besides.</param>
internal sealed record PhaseResult(string Name, IReadOnlyList<CheckRow> Rows, double Seconds, string Trouble, IReadOnlyList<string> Tail)
{
    /// <summary>Whether the process ended as it should and nothing failed; where nothing was compared it did not pass.</summary>
    public bool Passed => Trouble.Length == 0 && Rows.Count > 0 && Rows.All(row => row.Verdict != CheckVerdict.Failed);

    /// <summary>Counts comparisons.</summary>
    /// <param name="verdict">How they ended.</param>
    public int Count(CheckVerdict verdict) => Rows.Count(row => row.Verdict == verdict);

    /// <summary>Makes the result of a phase that was not run.</summary>
    /// <param name="name">The phase.</param>
    /// <param name="reason">Why not.</param>
    public static PhaseResult NotRun(string name, string reason) => new(name, [new CheckRow(name, CheckVerdict.Skipped, reason)], 0, "", []);
}
