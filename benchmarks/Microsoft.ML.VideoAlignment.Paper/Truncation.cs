using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>What truncated back-propagation and frame subsampling cost in reward, and save in memory.</summary>
internal static class Truncation
{
    public const string Name = "truncation";

    private const string Reward = PaperRewards.Aesthetic;

    private const int MemorySteps = 3, MemorySeeds = 3;

    public static void Run(ExperimentContext desk)
    {
        Scale scale = desk.Scale;
        (string Name, Func<ExperimentConfig, ExperimentConfig> Of)[] variants =
        [
            ("last step, one frame", cell => cell),
            ("last step, all frames", cell => cell with { AllFrames = true }),
            ("full chain, one frame", cell => cell with { Window = Full(scale) }),
            ("full chain, all frames", cell => cell with { Window = Full(scale), AllFrames = true }),
        ];
        ExperimentConfig Vader(int seed, int variant) => variants[variant].Of(scale.Cell(Methods.Vader, Reward, seed,
            desk.Rates.Of(Methods.Vader, Reward)) with
        { Videos = variant == 0 && seed == 1 ? scale.PreferencePairs : 0 });

        // Memory in runs of their own: a few steps, and nothing measured in them that could take more than training does.
        IReadOnlyList<CellResult> memory = desk.Campaign.Complete(
            from seed in scale.SeedList.Take(MemorySeeds)
            from variant in Enumerable.Range(0, variants.Length)
            select Vader(seed, variant) with { Queries = MemorySteps * scale.Batch, MeasureEvery = 0, Videos = 0 });
        IReadOnlyList<CellResult> results = desk.Campaign.Complete(
            from seed in scale.SeedList
            from cell in Enumerable.Range(0, variants.Length).Select(variant => Vader(seed, variant)).Prepend(scale.Cell(Methods.Base, Reward, seed, 0))
            select cell);
        CellResult[] bases = [.. results.Where(run => run.Cell.Method == Methods.Base)];
        Sample[] samples = [.. variants.Select((variant, at) => new Sample(variant.Name, results.Where(run => Same(run.Cell, Vader(1, at))), bases))];
        Interval[] peaks = [.. variants.Select(
            (_, at) => Interval.Of(memory.Where(run => Same(run.Cell, Vader(1, at))).Select(run => (run.PeakBytes ?? 0) / 1e6).DefaultIfEmpty(double.NaN)))];
        int[] shown = [.. Enumerable.Range(0, variants.Length).Where(at => !samples[at].IsEmpty)];

        var page = new Page(
            "Truncated back-propagation and frame subsampling",
            "What VADER (arXiv 2407.08737, section 4) leaves out to save memory, on the embedded world: gradient through the last denoising step or "
                + "through the whole chain, one random frame decoded and scored or all of them; the aesthetic reward of unseen prompts after the same number "
                + "of queries, the time, and "
                + "the memory.");
        page.Say($"{scale.Queries} videos scored in training, {scale.SamplerSteps} denoising steps, videos of 8 frames, no recomputation. Memory: peak "
            + $"resident bytes of a process of its own above what was resident before training, over {MemorySteps} steps, "
            + $"{Math.Min(MemorySeeds, scale.Seeds)} times. Learning rate: the one found for the last step and one frame, for all four.");
        page.Table(["gradient", "aesthetic, unseen", "true rating", "text similarity", "CPU seconds", "peak memory, MB"],
            shown.Select(at => (IReadOnlyList<string>)
        [
            samples[at].Name, samples[at].Unseen(Reward).ToString(), samples[at].Unseen(PaperRewards.TrueRating).ToString(),
                samples[at].Unseen(PaperRewards.TextSimilarity).ToString(),
            samples[at].Of(run => run.CpuSeconds).ToString(1), peaks[at].ToString(0),
        ]));
        page.Image("truncation.png", "Reward by queries and by CPU seconds, and peak memory, for the four ways");
        page.Head("What these runs say");
        Claim(page, samples, peaks, shown);
        page.Space();
        WriteFiles(desk, samples, peaks, shown, memory);
        page.Write(desk["truncation.md"], [.. results, .. memory], desk.Command(Name));
    }

    private static void Claim(Page page, Sample[] samples, Interval[] peaks, int[] shown)
    {
        foreach (int at in shown.Where(at => at > 0))
        {
            Interval lost = Fig4.Gap(samples[at], samples[0], run => run.Unseen[Reward]);
            double time = samples[at].Of(run => run.CpuSeconds).Mean / samples[0].Of(run => run.CpuSeconds).Mean;
            double spent = samples[0].Of(run => run.CpuSeconds).Mean;
            page.Claim(
                lost.Low <= 0,
                $"{samples[0].Name} loses no reward, as far as these runs can tell, against {samples[at].Name}: with equal queries the latter's is higher "
                    + $"by {lost}, seed by seed, for {time:0.0} times the CPU time and {peaks[at].Mean / peaks[0].Mean:0.0} times the memory. After "
                    + $"{spent:0} CPU seconds it is {samples[at].At(Sample.CpuSeconds, spent)} against {samples[0].At(Sample.CpuSeconds, spent)}.");
        }
    }

    private static void WriteFiles(ExperimentContext desk, Sample[] samples, Interval[] peaks, int[] shown, IReadOnlyList<CellResult> memory)
    {
        Csv.Write(
            desk["truncation.csv"], ["gradient", "seed", "reward of unseen prompts", "CPU seconds", "peak MB in a run of its own"],
            from at in shown
            from run in samples[at].Runs
            select new object?[] { samples[at].Name, run.Cell.Seed, run.Unseen[Reward], run.CpuSeconds, memory.FirstOrDefault(
                other => Same(other.Cell, run.Cell) && other.Cell.Seed == run.Cell.Seed)?.PeakBytes / 1e6 });
        Chart.Save(
            desk["truncation.png"],
            Chart.Lines("the same queries", "videos scored in training", "aesthetic reward of unseen prompts",
                [.. shown.Select(at => samples[at].Series(Sample.Queries))]),
            Chart.Lines("the same time", "CPU seconds of training", "aesthetic reward of unseen prompts",
                [.. shown.Select(at => samples[at].Series(Sample.CpuSeconds))]),
            Chart.Bars("memory", "peak above what was there before, MB", [""], [.. shown.Select(at => new Series(samples[at].Name, [(0, peaks[at])]))]));
    }

    private static string Full(Scale scale) => "last " + scale.SamplerSteps.ToString(CultureInfo.InvariantCulture);

    private static bool Same(ExperimentConfig a, ExperimentConfig b) => a.Method == b.Method && a.Window == b.Window && a.AllFrames == b.AllFrames;
}
