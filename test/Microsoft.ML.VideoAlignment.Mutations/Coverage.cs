using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Which tests reach which faults, and what each test costs: from one run without a fault.</summary>
internal sealed class Coverage
{
    /// <summary>Files whose numbers the gradient proof compares.</summary>
    private static readonly string[] s_proved = ["RewardGradientTrainer", "ChunkedDecode", "KlPenalty", "Denoising"];

    private readonly Dictionary<string, WorkerEvent> _tests = new(StringComparer.Ordinal);

    private Coverage()
    {
    }

    /// <summary>Tests that fail without any fault: they tell nothing.</summary>
    public IEnumerable<WorkerEvent> Failed => _tests.Values.Where(test => test.Kind == "failed");

    /// <summary>How many tests were run.</summary>
    public int Count => _tests.Count;

    /// <summary>Processor seconds of all.</summary>
    public double Seconds => _tests.Values.Sum(test => test.Seconds);

    /// <summary>Runs what has not been run yet.</summary>
    /// <param name="worker">Runs it.</param>
    /// <param name="tests">All tests.</param>
    /// <param name="faults">How many faults there are.</param>
    /// <param name="path">Where results are kept from one call to the next, a line each.</param>
    public static Coverage Measure(Worker worker, IReadOnlyList<string> tests, int faults, string path)
    {
        var coverage = new Coverage();
        foreach (string line in File.Exists(path) ? File.ReadAllLines(path) : [])
        {
            coverage.Add(JsonSerializer.Deserialize<WorkerEvent>(line)!);
        }

        using var file = new StreamWriter(path, append: true) { AutoFlush = true };
        string[] open = [.. tests.Where(test => !coverage._tests.ContainsKey(test))];
        foreach (string[] some in open.GroupBy(test => test.Split('(')[0][..test.Split('(')[0].LastIndexOf('.')]).Select(group => group.ToArray()))
        {
            WorkerEvent last = worker.Run(new WorkerOrder(-1, some, faults), _ => 300, what =>
            {
                coverage.Add(what);
                file.WriteLine(JsonSerializer.Serialize(what));
            });
            if (last.Kind is "hang" or "memory" or "crash")
            {
                throw new InvalidOperationException($"Without any fault the tests end with a {last.Kind} in {last.Test}.");
            }

            Console.WriteLine($"  {coverage.Count,5}/{tests.Count} {some[0].Split('(')[0]}");
        }

        return coverage;
    }

    /// <summary>Tests that reach a fault: those of its file's own test class, then the others, each the cheapest first.</summary>
    /// <param name="number">Of the fault.</param>
    /// <param name="fault">The fault.</param>
    public IReadOnlyList<string> TestsOf(int number, Fault fault) =>
    [
        .. _tests.Values.Where(test => test.Kind == "passed" && test.Reached!.Contains(number)).OrderBy(test => IsOwn(test.Test, fault) ? 0 : 1)
        .ThenBy(test => test.Seconds)
            .Select(test => test.Test),
    ];

    /// <summary>
    /// Whether a test is of the class that is named after the fault's file, or of the proof of what the file computes; those are run whatever they cost.
    /// </summary>
    /// <param name="test">Its full name.</param>
    /// <param name="fault">The fault.</param>
    public static bool IsOwn(string test, Fault fault)
    {
        string file = Path.GetFileNameWithoutExtension(fault.File);
        return test.Contains($".{file}Tests.", StringComparison.Ordinal)
            || (s_proved.Contains(file) && test.Contains(".GradientCheckTests.", StringComparison.Ordinal));
    }

    /// <summary>Tests that reach any of these faults, the cheapest first.</summary>
    /// <param name="faults">Their numbers.</param>
    public IReadOnlyList<string> TestsOf(IReadOnlySet<int> faults) =>
        [.. _tests.Values.Where(test => test.Kind == "passed" && test.Reached!.Any(faults.Contains)).OrderBy(test => test.Seconds).Select(test => test.Test)];

    /// <summary>Processor seconds of a test.</summary>
    /// <param name="test">Its full name.</param>
    public double SecondsOf(string test) => _tests.TryGetValue(test, out WorkerEvent? known) ? known.Seconds : 0;

    private void Add(WorkerEvent test) => _tests[test.Test] = test;
}
