using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Runs ours and the reference's in turn, in one process on one libtorch, so that whatever else the machine does falls on both, and prints medians and their
/// ratio.
/// </summary>
internal static class Compare
{
    public static void Run(int rounds, string only = "")
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{CountedRun.Machine}; medians of {rounds} runs in turn"));
        if (Peer.Folder is null)
        {
            Console.WriteLine($"No comparison: {Peer.Absence}.");
        }

        Console.WriteLine("| middle size | ours, s | reference, s | ratio | ours, GFLOP/s | of matmul |");
        Console.WriteLine("|---|---|---|---|---|---|");
        void Row<T>(string name, T question, Func<T, Action> ours, Func<T, Action> reference)
            where T : BenchmarkBase
        {
            if (name.Contains(only, StringComparison.OrdinalIgnoreCase))
            {
                Measure(name, question, ours, reference, rounds);
            }
        }

        Row("denoiser forward (guided, batch 2)", new DenoiseStep(), question => question.Ours, question => question.Reference);
        Row("gradient step (forward, backward into LoRA)", new GradientStepComparison(), question => question.Ours, question => question.Reference);
        Row("gradient step with recompute", new GradientStepComparison(), question => question.OursRecomputed, question => question.Reference);
        Row("VAE decode, one frame", new VaeDecode(), question => question.Ours, question => question.Reference);
        Row("VAE decode and backward", new VaeDecode(), question => question.OursBackward, question => question.ReferenceBackward);
        if ("VADER step".Contains(only, StringComparison.OrdinalIgnoreCase))
        {
            VaderStep.PrintShare(rounds);
        }
    }

    public static double Median(List<double> values)
    {
        values.Sort();
        return values.Count % 2 == 1 ? values[values.Count / 2] : (values[(values.Count / 2) - 1] + values[values.Count / 2]) / 2;
    }

    public static double Seconds(Action work)
    {
        BenchmarkDevice.Synchronize();
        long started = Stopwatch.GetTimestamp();
        work();
        BenchmarkDevice.Synchronize();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static void Measure<T>(string name, T question, Func<T, Action> ours, Func<T, Action> reference, int rounds)
        where T : BenchmarkBase
    {
        question.Setup();
        try
        {
            bool compared = Peer.Folder is not null;
            var (mine, theirs) = (new List<double>(), new List<double>());
            long operations = FlopCounter.Count(ours(question));

            // Two rounds warm up: libtorch's profiling executor specializes a graph in its first two calls.
            for (int round = -2; round < rounds; round++)
            {
                double own = Seconds(ours(question));
                double other = compared ? Seconds(reference(question)) : double.NaN;
                if (round >= 0)
                {
                    mine.Add(own);
                    theirs.Add(other);
                }
            }

            (double a, double b) = (Median(mine), Median(theirs));
            var run = new CountedRun(a, operations);
            string cells = compared ? string.Create(CultureInfo.InvariantCulture, $"{b:0.000} | {a / b:0.00}") : "- | -";
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {name} | {a:0.000} | {cells} | {run.GigaflopsPerSecond:0.0} | {run.ShareOfPeak:0 %} |"));
        }
        finally
        {
            question.Cleanup();
        }
    }
}
