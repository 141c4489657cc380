using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Figure 7 of VADER: the reward of unseen prompts against queries, and against time.</summary>
internal static class Fig7
{
    public const string Name = "fig7";

    public static void Run(ExperimentContext desk)
    {
        MethodComparison contest = MethodComparison.Run(desk);
        var page = new Page(
            "Figure 7: reward against queries and against time",
            "VADER (arXiv 2407.08737), Figure 7, on the embedded world: the reward of unseen prompts along the runs of Table 1, by the videos that were "
                + "scored in training and by the CPU time of training.");
        page.Say($"DDPO also has longer runs, {desk.Scale.LongQueries} videos and {desk.Scale.LongSeeds} seeds, to see what VADER's level costs it.");
        var longer = PaperRewards.Trained.ToDictionary(reward => reward, reward => contest.Longer(desk, reward));
        foreach (string reward in PaperRewards.Trained)
        {
            IReadOnlyList<Sample> samples = contest.Trained(reward);
            if (samples.Count == 0)
            {
                continue;
            }

            string file = $"fig7-{reward}.png";
            page.Head(reward).Image(file, $"Reward {reward} by queries and by CPU seconds");
            page.Table(["queries", .. samples.Select(sample => sample.Name)], samples[0].Mean.Select((point, at) => (IReadOnlyList<string>)
            [
                $"{point.Queries}", .. samples.Select(sample => sample.At(Sample.Queries, point.Queries).ToString(Table1.Digits(reward))),
            ]));
            Chart.Save(
                desk[file],
                Chart.Lines(reward, "videos scored in training", "reward of unseen prompts", [.. samples.Select(sample => sample.Series(Sample.Queries))]),
                Chart.Lines(reward, "CPU seconds of training", "reward of unseen prompts", [.. samples.Select(sample => sample.Series(Sample.CpuSeconds))]));
        }

        foreach (string reward in PaperRewards.Trained)
        {
            WriteLonger(page, desk, reward, contest[Methods.Vader, reward], longer[reward]);
        }

        page.Head("What these runs say");
        foreach (string reward in PaperRewards.Trained)
        {
            Efficiency.Claim(page, contest, reward, longer[reward]);
            WriteTimes(page, contest, reward);
        }

        page.Space();
        CellResult[] runs = [.. contest.Results, .. longer.Values.SelectMany(sample => sample.Runs)];
        Csv.Write(
            desk["fig7.csv"], ["method", "reward", "videos in all", "seed", "queries", "seconds", "CPU seconds", "reward of unseen prompts"],
            from run in runs
            from point in run.Curve
            select new object?[] { run.Cell.Method, run.Cell.Reward, run.Cell.Queries, run.Cell.Seed, run.Cell.Method == Methods.Base ? 0
                : point.Queries, point.Seconds, point.CpuSeconds, point.Reward });
        page.Write(desk["fig7.md"], runs, desk.Command(Name));
    }

    private static void WriteLonger(Page page, ExperimentContext desk, string reward, Sample vader, Sample longer)
    {
        if (longer.IsEmpty || vader.IsEmpty)
        {
            return;
        }

        string title = $"{reward}, DDPO for longer", file = $"fig7-longer-{reward}.png";
        page.Head(title).Image(file, "VADER against longer runs of DDPO");
        page.Table(["queries", longer.Name, "CPU seconds"], longer.Mean.Select(point => (IReadOnlyList<string>)
            [$"{point.Queries}", longer.At(Sample.Queries, point.Queries).ToString(Table1.Digits(reward)),
                point.CpuSeconds.ToString("0", CultureInfo.InvariantCulture)]));
        Chart.Save(
            desk[file],
            Chart.Lines(title, "videos scored in training", "reward of unseen prompts", [longer.Series(Sample.Queries), vader.Series(Sample.Queries)]),
            Chart.Lines(title, "CPU seconds of training", "reward of unseen prompts", [longer.Series(Sample.CpuSeconds), vader.Series(Sample.CpuSeconds)]));
    }

    /// <summary>The paper's second axis: at the time that the quicker of two needs for all its queries, who is ahead?</summary>
    private static void WriteTimes(Page page, MethodComparison contest, string reward)
    {
        Sample vader = contest[Methods.Vader, reward];
        foreach (Sample other in contest.Trained(reward).Where(sample => sample != vader && !vader.IsEmpty))
        {
            double time = Math.Min(vader.Mean[^1].CpuSeconds, other.Mean[^1].CpuSeconds);
            (Interval ours, Interval theirs) = (vader.At(Sample.CpuSeconds, time), other.At(Sample.CpuSeconds, time));
            page.Claim(ours.Low > theirs.High, $"after {time:0} CPU seconds VADER's {reward} reward is above {other.Name}'s, intervals apart: "
                + $"{ours.ToString(Table1.Digits(reward))} against {theirs.ToString(Table1.Digits(reward))}.");
        }
    }
}
