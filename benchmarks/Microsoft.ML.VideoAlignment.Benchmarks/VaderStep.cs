using System.Globalization;
using BenchmarkDotNet.Attributes;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>What does a training step with K = 1 cost beside the T = 20 gradient-free denoising steps that any sampling needs?</summary>
public class VaderStep
{
    private VaderWork _work = null!;

    /// <summary>The name of the size: "embedded" or "middle".</summary>
    [Params("embedded", "middle")]
    public string Size { get; set; } = "middle";

    [GlobalSetup]
    public void Setup() => _work = new VaderWork(ModelSize.ByName(Size), ModelSize.ByName(Size).Steps);

    [Benchmark(Baseline = true)]
    public void GradientFreeSteps() => _work.GradientFreeSteps();

    [Benchmark]
    public void TrainingStep() => _work.Step();

    [GlobalCleanup]
    public void Cleanup() => _work.Dispose();

    /// <summary>Prints the ratio of both, run in turn in one process.</summary>
    /// <param name="rounds">How often each is timed.</param>
    internal static void PrintShare(int rounds)
    {
        foreach (ModelSize size in new[] { ModelSize.Embedded, ModelSize.Middle })
        {
            using var work = new VaderWork(size, size.Steps);
            work.Step();
            var (free, whole) = (new List<double>(), new List<double>());
            for (int round = 0; round < Math.Min(rounds, 3); round++)
            {
                free.Add(Compare.Seconds(work.GradientFreeSteps));
                whole.Add(Compare.Seconds(work.Step));
            }

            (double a, double b) = (Compare.Median(free), Compare.Median(whole));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{size.Name}: VADER step, K = 1, T = {size.Steps}: {b:0.00} s; its {size.Steps} gradient-free steps: {a:0.00} s; ratio {b / a:0.00}"));
        }
    }
}
