using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Does the cells that are not done, some at a time.</summary>
/// <param name="store">Where results are.</param>
/// <param name="parallel">Runs at a time; 0: none, only what is there counts.</param>
/// <param name="run">Does one, and puts its result into the store; returns null, or what went wrong.</param>
internal sealed class ExperimentRunner(CellStore store, int parallel, Func<ExperimentConfig, string?> run)
{
    /// <summary>The results of those that are done in the end. One that fails is named, and the others go on.</summary>
    public IReadOnlyList<CellResult> Complete(IEnumerable<ExperimentConfig> cells)
    {
        ExperimentConfig[] wanted = [.. cells.Distinct()];
        ExperimentConfig[] missing = [.. wanted.Where(cell => store.Find(cell) is null)];
        if (missing.Length > 0)
        {
            Console.WriteLine($"{wanted.Length - missing.Length} of {wanted.Length} runs are there{(parallel > 0 ? "" : "; the rest is left out")}.");
        }

        if (parallel > 0)
        {
            int done = wanted.Length - missing.Length;
            var queue = new Queue<ExperimentConfig>(missing);
            Thread[] workers = [.. Enumerable.Range(0, Math.Min(parallel, missing.Length)).Select(_ => new Thread(Work))];
            Array.ForEach(workers, worker => worker.Start());
            Array.ForEach(workers, worker => worker.Join());

            void Work()
            {
                while (Next() is { } cell)
                {
                    long started = Stopwatch.GetTimestamp();
                    string? failure = run(cell);
                    Say(cell, failure, Stopwatch.GetElapsedTime(started));
                }
            }

            ExperimentConfig? Next()
            {
                lock (queue)
                {
                    return queue.TryDequeue(out ExperimentConfig? cell) ? cell : null;
                }
            }

            void Say(ExperimentConfig cell, string? failure, TimeSpan took)
            {
                lock (queue)
                {
                    done += failure is null ? 1 : 0;
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{done}/{wanted.Length}  {cell.Name}  {took.TotalSeconds:0} s{(failure is null ? "" : "  FAILED: " + failure)}"));
                }
            }
        }

        return [.. wanted.Select(store.Find).OfType<CellResult>()];
    }
}
