using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a run of one reader gave.</summary>
internal sealed class FuzzReport
{
    private const int MostFindings = 20;

    private readonly List<string> _findings = [];

    public int Inputs { get; set; }

    public int WereRead { get; set; }

    public long MostAllocated { get; set; }

    public double MostSeconds { get; set; }

    /// <summary>What was wrong, a text for each input, the first ones.</summary>
    public IReadOnlyList<string> Findings => _findings;

    public void Add(string finding)
    {
        if (_findings.Count < MostFindings)
        {
            _findings.Add(finding);
        }
    }

    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{Inputs} inputs, {WereRead} read, {Inputs - WereRead} refused; at most {MostAllocated / 1e6:F1} MB and "
            + $"{MostSeconds:F2} processor seconds for one");
}

/// <summary>Drives a reader with mutants. Input n of a reader is the same in every run.</summary>
/// <param name="mostSeconds">The most processor time of the reading thread for one input.</param>
internal sealed class FuzzDriver(double mostSeconds)
{
    /// <summary>Beside four times the input.</summary>
    public const long FreeBytes = 64 << 20;

    private const int HungSeconds = 300;

    /// <summary>The file that is told which input is being read, for when the process ends; null: none.</summary>
    public string? LastInputFile { get; init; }

    /// <summary>Reads the seeds, which must be sound, and then mutants of them.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="count">How many mutants.</param>
    public FuzzReport Run(FuzzReader reader, int count)
    {
        var report = new FuzzReport();
        var progress = new StrongBox<int>();
        var thread = new Thread(() => ReadAll(reader, count, report, progress)) { IsBackground = true };
        thread.Start();

        // Only an input that never ends is found by the clock; how long others took is told by the thread's own processor time.
        int last = -1;
        while (!thread.Join(TimeSpan.FromSeconds(HungSeconds)))
        {
            if (Volatile.Read(ref progress.Value) == last)
            {
                report.Add($"input {last} has not ended within {HungSeconds} s");
                break;
            }

            last = Volatile.Read(ref progress.Value);
        }

        return report;
    }

    /// <summary>Input n of a reader.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="number">Which, from 0.</param>
    public static byte[] Input(FuzzReader reader, int number)
    {
        // string.GetHashCode differs between processes.
        var random = new Random(reader.Name.Aggregate(number, (hash, letter) => unchecked((hash * 16777619) ^ letter)));
        byte[] seed = reader.Seeds[random.Next(reader.Seeds.Count)];
        return new Mutator(random, reader.Words).Mutate(seed, reader.Seeds[random.Next(reader.Seeds.Count)]);
    }

    private void ReadAll(FuzzReader reader, int count, FuzzReport report, StrongBox<int> progress)
    {
        using var folder = new TemporaryFolder();
        try
        {
            foreach ((int index, byte[] seed) in reader.Seeds.Index())
            {
                if (Read(reader, folder, seed, report) is { } refused)
                {
                    report.Add($"seed {index} is to be read, and is refused: {refused}");
                }
            }

            for (int number = 0; number < count; number++)
            {
                Volatile.Write(ref progress.Value, number);
                if (LastInputFile is { } file)
                {
                    File.WriteAllText(file, $"{reader.Name} {number}");
                }

                byte[] input = Input(reader, number);
                Exception? refused = Read(reader, folder, input, report, number);
                report.Inputs++;
                report.WereRead += refused is null ? 1 : 0;
                if (refused is not null && !reader.Documents(refused))
                {
                    report.Add($"input {number} ({input.Length} bytes): {refused}");
                }
            }
        }
        catch (Exception exception)
        {
            report.Add($"the run ended: {exception}");
        }
    }

    private Exception? Read(FuzzReader reader, TemporaryFolder folder, byte[] input, FuzzReport report, int? number = null)
    {
        double start = ProcessorTime.OfThisThread();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Exception? refused = null;
        try
        {
            using DisposeScope scope = NewDisposeScope();
            reader.Read(folder, input);
        }
        catch (Exception exception)
        {
            refused = exception;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        double seconds = ProcessorTime.OfThisThread() - start;
        (report.MostSeconds, report.MostAllocated) = (Math.Max(report.MostSeconds, seconds), Math.Max(report.MostAllocated, allocated));
        string name = number is { } n ? $"input {n}" : "a seed";
        if (allocated > (4L * input.Length) + FreeBytes)
        {
            report.Add($"{name} of {input.Length} bytes: {allocated} bytes were allocated");
        }

        if (seconds > mostSeconds)
        {
            report.Add(FormattableString.Invariant($"{name} of {input.Length} bytes: {seconds:F1} processor seconds"));
        }

        return refused;
    }
}
