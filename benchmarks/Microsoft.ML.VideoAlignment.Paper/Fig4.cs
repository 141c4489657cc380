using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Figure 4 of VADER: how the distance between reward gradients and DDPO grows with the resolution.</summary>
internal static class Fig4
{
    public const string Name = "fig4";

    private const string Reward = PaperRewards.Aesthetic;

    public static void Run(ExperimentContext desk)
    {
        ExperimentConfig[] cells =
        [
            .. from seed in desk.Scale.SeedList
               from size in desk.Scale.Resolutions
               from method in new[] { Methods.Base, Methods.Ddpo, Methods.Vader }
               select Resized(desk.Scale.Cell(method, Reward, seed, desk.Rates.Of(method, Reward)), size),
        ];
        IReadOnlyList<CellResult> results = desk.Campaign.Complete(cells);
        Dictionary<(string, int), Sample> samples = [];
        foreach (int size in desk.Scale.Resolutions)
        {
            CellResult[] there = [.. results.Where(run => run.Cell.Size == size)];
            foreach (string method in Methods.All)
            {
                samples[(method, size)] =
                    new Sample(Methods.Title(method), there.Where(run => run.Cell.Method == method), [.. there.Where(run => run.Cell.Method == Methods.Base)]);
            }
        }

        int[] sizes = [.. desk.Scale.Resolutions.Where(size => !samples[(Methods.Vader, size)].IsEmpty && !samples[(Methods.Ddpo, size)].IsEmpty)];
        Dictionary<int, Interval> gaps =
            sizes.ToDictionary(size => size, size => Gap(samples[(Methods.Vader, size)], samples[(Methods.Ddpo, size)], run => run.Unseen[Reward]));
        var page = new Page(
            "Figure 4: reward gradients and DDPO as the resolution grows",
            "VADER (arXiv 2407.08737), Figure 4, on the embedded world: the aesthetic reward of unseen prompts after the same number of queries at three "
                + "resolutions, and the distance between the methods, seed by seed.");
        page.Missing(results.Count, cells.Length).Say($"The model was trained at 32 pixels; at other sizes its videos are out of what it learned, and the "
            + $"base model's reward differs. {desk.Scale.Queries} videos scored in training; learning rates are those found at 32 pixels.");
        page.Table(["pixels", "base model", "DDPO", "VADER", "VADER - DDPO", "CPU seconds: DDPO", "VADER"], sizes.Select(size => (IReadOnlyList<string>)
        [
            $"{size} x {size}",
            .. new[] { Methods.Base, Methods.Ddpo, Methods.Vader }.Select(method => samples[(method, size)].Unseen(Reward).ToString()),
            gaps[size].ToString(),
            .. new[] { Methods.Ddpo, Methods.Vader }.Select(method => samples[(method, size)].Of(run => run.CpuSeconds).ToString(1)),
        ]));
        page.Image("fig4.png", "Reward by resolution, and the distance between VADER and DDPO");
        page.Head("What these runs say");
        for (int at = 1; at < sizes.Length; at++)
        {
            (Interval small, Interval large) = (gaps[sizes[at - 1]], gaps[sizes[at]]);
            page.Claim(large.Mean > small.Mean ? large.Low > small.High ? true : null : false, $"the distance grows from {sizes[at - 1]} to {sizes[at]} "
                + $"pixels: {small} to {large}{(large.Overlaps(small) ? ", intervals that overlap" : "")}.");
        }

        page.Space();
        Csv.Write(
            desk["fig4.csv"], ["pixels", "method", "seed", "reward of unseen prompts", "CPU seconds"],
            results.Select(run => new object?[] { run.Cell.Size, run.Cell.Method, run.Cell.Seed, run.Unseen[Reward], run.CpuSeconds }));
        string[] names = [.. sizes.Select(size => size.ToString(CultureInfo.InvariantCulture))];
        Chart.Save(
            desk["fig4.png"],
            Chart.Bars("reward of unseen prompts by resolution", "aesthetic reward", names,
                [.. new[] { Methods.Base, Methods.Ddpo, Methods.Vader }.Select(
                    method => new Series(Methods.Title(method), [.. sizes.Select((size, at) => ((double)at, samples[(method, size)].Unseen(Reward)))]))]),
            Chart.Lines("VADER - DDPO", "width and height in pixels", "difference of aesthetic reward",
                [new Series("difference, seed by seed", [.. sizes.Select(size => ((double)size, gaps[size]))])]));
        page.Write(desk["fig4.md"], results, desk.Command(Name));
    }

    internal static Interval Gap(Sample a, Sample b, Func<CellResult, double> number) => Interval.Of(
        from run in a.Runs
        join other in b.Runs on run.Cell.Seed equals other.Cell.Seed
        select number(run) - number(other));

    private static ExperimentConfig Resized(ExperimentConfig cell, int size) => size == cell.Size ? cell : cell with { Size = size, Videos = 0 };
}
