using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Measures peak memory and seconds of a training step, each trick alone and together, at the middle size. Memory is measured as in
/// <see cref="MemoryEstimates"/>; seconds are the processor time of the second of two steps, which other work on the machine disturbs less than the clock.
/// </summary>
internal static class MemoryTricks
{
    private const string Alone = "--trick-of";

    private static readonly (string Name, WeightPrecision Precision, Func<VideoAlignmentOptions, VideoAlignmentOptions> Apply)[] s_rows =
    [
        ("plain", WeightPrecision.Float32, options => options),
        ("recompute blocks", WeightPrecision.Float32, options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.Blocks } }),
        ("recompute steps", WeightPrecision.Float32, options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.Steps } }),
        ("half weights", WeightPrecision.Float16, options => options),
        ("int8 weights", WeightPrecision.Int8, options => options),
        ("one frame at a time", WeightPrecision.Float32, options => options with { Memory = options.Memory with { FramesPerDecode = 1 } }),
        ("8-bit AdamW", WeightPrecision.Float32, options => options with { Optimizer = options.Optimizer with { State = OptimizerState.EightBit } }),
        ("blocks + half", WeightPrecision.Float16, options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.Blocks } }),
        ("blocks + int8", WeightPrecision.Int8, options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.Blocks } }),
        ("blocks + half + one frame + 8-bit AdamW", WeightPrecision.Float16,
            options => options with
            {
                Optimizer = options.Optimizer with { State = OptimizerState.EightBit },
                Memory = options.Memory with { Recompute = ActivationRecompute.Blocks, FramesPerDecode = 1 },
            }),
        ("steps + int8 + one frame + 8-bit AdamW", WeightPrecision.Int8,
            options => options with
            {
                Optimizer = options.Optimizer with { State = OptimizerState.EightBit },
                Memory = options.Memory with { Recompute = ActivationRecompute.Steps, FramesPerDecode = 1 },
            }),
    ];

    /// <summary>Prints the table.</summary>
    /// <param name="only">One family; null: all.</param>
    /// <param name="frames">Frames that the reward sees.</param>
    /// <param name="window">Gradient steps.</param>
    /// <param name="rows">Indices of the rows to measure, such as "0,1,7"; null: all. The others are compared to the first.</param>
    public static void Run(string? only, int frames, int window, string? rows)
    {
        foreach (string family in FamilyModels.Names.Where(name => only is null || name == only))
        {
            Console.WriteLine($"{family}: {frames} frames shown, {window} gradient steps");
            Console.WriteLine("| tricks | estimate, MB | peak, MB | estimate / peak | of plain | processor seconds a step | of plain |");
            Console.WriteLine("|---|---|---|---|---|---|---|");
            (double Megabytes, double Seconds)? plain = null;
            foreach (int row in rows?.Split(',').Select(row => int.Parse(row, CultureInfo.InvariantCulture)) ?? Enumerable.Range(0, s_rows.Length))
            {
                double estimate;
                using (VideoDiffusionModel model = FamilyModels.Middle(family, s_rows[row].Precision, filled: false))
                {
                    estimate = model.EstimateMemory(Options(family, row, frames, window)).Peak / 1e6;
                }

                string output = Child(family, row, frames, window);
                if (output.Split(' ') is not [var peak, var time] || !double.TryParse(peak, CultureInfo.InvariantCulture, out double megabytes)
                    || !double.TryParse(time, CultureInfo.InvariantCulture, out double seconds))
                {
                    Console.WriteLine($"| {s_rows[row].Name} | {estimate:0} | {output} |");
                    continue;
                }

                plain ??= (megabytes, seconds);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {s_rows[row].Name} | {estimate:0} | {megabytes:0} | {estimate / megabytes:0.00} | {megabytes / plain.Value.Megabytes:0.00} | ")
                    + string.Create(CultureInfo.InvariantCulture, $"{seconds:0.00} | {seconds / plain.Value.Seconds:0.00} |"));
            }
        }
    }

    /// <summary>Measures one row in this process, the child, and prints megabytes and seconds.</summary>
    /// <param name="family">The family.</param>
    /// <param name="row">The row's index.</param>
    /// <param name="frames">Frames that the reward sees.</param>
    /// <param name="window">Gradient steps.</param>
    public static void RunAlone(string family, int row, int frames, int window)
    {
        MemoryEstimates.WarmUp();
        VideoPrompt prompt = MemoryEstimates.Prompt(family);
        long? before = PeakMemory.Start();
        using VideoDiffusionModel model = FamilyModels.Middle(family, s_rows[row].Precision);
        using VideoReward reward = VideoRewards.Custom("mean", (shown, _) => shown.mean([1, 2, 3, 4]));
        var ends = new List<TimeSpan>();
        using var process = Process.GetCurrentProcess();
        VideoAlignmentOptions usual = Options(family, row, frames, window);
        VideoAlignmentOptions options = usual with { Optimizer = usual.Optimizer with { Steps = 2 } };
        new AlignmentRun(model, reward, options, Seed: 1, [prompt], ValidationPrompts: [], Path.GetTempPath()).Train(_ => ends.Add(Spent()), _ => { });
        Console.WriteLine(PeakMemory.Since(before) is { } bytes
            ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0} {(ends[^1] - ends[^2]).TotalSeconds:0.00}")
            : "not measured on this system");

        TimeSpan Spent()
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    private static VideoAlignmentOptions Options(string family, int row, int frames, int window)
    {
        VideoAlignmentOptions usual = MemoryEstimates.Options(family, recompute: false);
        VideoAlignmentOptions plain = usual with
        {
            Sampling = usual.Sampling with { Steps = window + 1 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = window }),
            Reward = usual.Reward with
            {
                Frames = family == "opensora" && frames > 1 ? RewardFrames.RandomFrames(Math.Min(frames, 10)) : RewardFrames.RandomFrames(frames),
            },
        };
        return s_rows[row].Apply(plain);
    }

    private static string Child(string family, int row, int frames, int window)
    {
        string[] arguments = [Alone, family, .. new[] { row, frames, window }.Select(number => number.ToString(CultureInfo.InvariantCulture))];
        return MemoryEstimates.ChildOutput(arguments);
    }
}
