using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Table 1 of VADER: each method's reward on prompts of alignment and on unseen ones.</summary>
internal static class Table1
{
    public const string Name = "table1";

    public static void Run(ExperimentContext desk)
    {
        LearningRates rates = desk.Rates;
        MethodComparison contest = MethodComparison.Run(desk);
        Dictionary<string, Sample> images = RunImages(desk);
        var page = new Page(
            "Table 1: base model, DDPO, Diffusion-DPO and VADER",
            "VADER (arXiv 2407.08737), Table 1, on the embedded world: what the same number of reward queries, and the same time, buy with each method, on "
                + "prompts of alignment and on prompts that training never saw.");
        page.Say($"{desk.Scale.Prompts} prompts of alignment, as many unseen ones; {desk.Scale.Queries} videos scored in training; "
            + $"{desk.Scale.SamplerSteps} DDIM steps with eta {desk.Scale.Eta} for all methods, in training and in measuring; the seed of a run is also "
            + $"that of its videos, the same for every method. Action: the logarithm of the probability that a video shows '{PaperRewards.TaughtAction}', "
            + $"whatever its prompt says. VADER sends gradient through the last step for aesthetic and preference, and for the action through the window "
            + $"'{Methods.Early}': the last step cannot move a figure. Image to video: the embedded model in Stable Video Diffusion's form, "
            + $"{desk.Scale.Prompts} images of alignment and as many unseen ones, gradient through the step that moves the video most; its sampler draws no "
            + $"noise, so the other two methods have no policy to learn.");

        page.Head("Equal reward queries").Say($"Mean over videos, then over seeds, with the interval over seeds.");
        page.Table(
            [
                "",
                .. PaperRewards.Trained.SelectMany(reward => new[] { $"{reward}, aligned prompts", $"{reward}, unseen" }),
                "image to video: aesthetic, aligned images", "unseen",
            ],
            Methods.All.Select(method => (IReadOnlyList<string>)
            [
                Methods.Title(method),
                .. PaperRewards.Trained.SelectMany(reward => contest[method, reward] is { IsEmpty: false } sample
                    ? new[] { sample.Aligned(reward).ToString(Digits(reward)), sample.Unseen(reward).ToString(Digits(reward)) }
                    : ["-", "-"]),
                .. images.TryGetValue(method, out Sample? image) && !image.IsEmpty
                    ? new[] { image.Aligned(PaperRewards.Aesthetic).ToString(), image.Unseen(PaperRewards.Aesthetic).ToString() }
                    : ["-", "-"],
            ]));
        page.Image("table1.png", "Reward of unseen prompts by method");

        WriteEqualTime(page, contest);
        WriteCosts(page, contest);
        IReadOnlyList<Sample> unrestrained = contest.Unrestrained(desk);
        WriteOtherMeasures(page, contest, unrestrained);
        WriteClaims(page, contest);
        rates.Write(page);
        VideoFiles.WriteTable1(page, desk, contest, unrestrained);

        IEnumerable<(string Method, string Model, string Reward, Sample Sample)> cells =
            (from method in Methods.All from reward in PaperRewards.Trained select (method, ExperimentConfig.Text, reward, contest[method, reward]))
            .Concat(images.Select(pair => (pair.Key, ExperimentConfig.Image, PaperRewards.Aesthetic, pair.Value)));
        Csv.Write(
            desk["table1.csv"], ["method", "model", "reward", "prompts", "mean", "half width 95 %", "seeds"],
            from cell in cells
            where !cell.Sample.IsEmpty
            from split in new[] { (Name: "aligned", Value: cell.Sample.Aligned(cell.Reward)), (Name: "unseen", Value: cell.Sample.Unseen(cell.Reward)) }
            select new object?[] { cell.Method, cell.Model, cell.Reward, split.Name, split.Value.Mean, split.Value.HalfWidth, cell.Sample.Runs.Count });
        Chart.Save(desk["table1.png"], [.. PaperRewards.Trained.Select(reward => Chart.Bars(reward, "reward", ["aligned prompts", "unseen"],
            [.. Methods.All.Select(method => contest[method, reward]).Where(sample => !sample.IsEmpty)
                .Select(sample => new Series(sample.Name, [(0, sample.Aligned(reward)), (1, sample.Unseen(reward))]))]))]);
        page.Write(desk["table1.md"], [.. contest.Results, .. rates.Runs, .. unrestrained.Concat(images.Values).SelectMany(sample => sample.Runs)],
            desk.Command(Name));
    }

    // Base model and VADER: what else there is needs a sampler that draws noise.
    private static Dictionary<string, Sample> RunImages(ExperimentContext desk)
    {
        const string Reward = PaperRewards.Aesthetic;
        IReadOnlyList<CellResult> results = desk.Campaign.Complete(
            from seed in desk.Scale.SeedList
            from method in new[] { Methods.Base, Methods.Vader }
            let cell = desk.Scale.ImageCell(method, Reward, seed, desk.Rates.Of(Methods.Vader, Reward))
            select method == Methods.Vader ? cell with { Window = Sensitivity.Sensitive } : cell);
        CellResult[] bases = [.. results.Where(run => run.Cell.Method == Methods.Base)];
        return new[] { Methods.Base, Methods.Vader }.ToDictionary(
            method => method, method => new Sample(Methods.Title(method), results.Where(run => run.Cell.Method == method), bases));
    }

    internal static int Digits(string reward) => reward == PaperRewards.Preference ? 3 : 2;

    private static void WriteEqualTime(Page page, MethodComparison contest)
    {
        page.Head("Equal time").Say($"Reward of unseen prompts as it was measured along the way, when each method has trained as long as the fastest needs "
            + $"for all its queries; times by CPU clock.");
        page.Table(["reward", "CPU seconds", .. Methods.Trained.Select(Methods.Title)], PaperRewards.Trained.Where(reward => contest.Trained(reward).Count > 0)
            .Select(reward =>
        {
            double time = contest.Trained(reward).Min(sample => sample.Of(run => run.CpuSeconds).Mean);
            return (IReadOnlyList<string>)
            [
                reward, time.ToString("0.0", CultureInfo.InvariantCulture),
                .. Methods.Trained.Select(method => contest[method, reward] is { IsEmpty: false } sample
                    ? sample.At(Sample.CpuSeconds, time).ToString(Digits(reward)) : "-"),
            ];
        }));
    }

    private static void WriteCosts(Page page, MethodComparison contest)
    {
        page.Head("What a run costs").Say($"Seconds of training for all queries: CPU time, and by the wall in brackets.");
        page.Table(["reward", .. Methods.Trained.Select(Methods.Title)], PaperRewards.Trained.Select(reward => (IReadOnlyList<string>)
        [
            reward,
            .. Methods.Trained.Select(method => contest[method, reward] is { IsEmpty: false } sample
                ? string.Create(CultureInfo.InvariantCulture, $"{sample.Of(run => run.CpuSeconds).ToString(1)} ({sample.Of(run => run.Seconds).Mean:0.0})")
                : "-"),
        ]));
    }

    private static void WriteOtherMeasures(Page page, MethodComparison contest, IReadOnlyList<Sample> unrestrained)
    {
        IEnumerable<IReadOnlyList<string>> rows =
            from reward in PaperRewards.Trained
            from method in reward == PaperRewards.Aesthetic ? Methods.All : Methods.Trained
            let sample = contest[method, reward]
            where !sample.IsEmpty
            let trained = method != Methods.Base
            let scores = PaperRewards.Measures.Select(measure => trained && measure == reward ? $"**{sample.Unseen(measure)}**"
                : sample.Unseen(measure).ToString())
            select (IReadOnlyList<string>)[sample.Name, trained ? reward : "-", .. scores];
        page.Head("What training on one reward does to the others").Say(
            $"Unseen prompts; the reward trained on in bold. The true rating is what the aesthetic head was trained to predict, text similarity says how "
                + $"far videos still follow their prompts. Rows with a learning rate: methods at the rate that won most aesthetic reward, where videos follow "
                + $"their prompts no more.");
        IEnumerable<IReadOnlyList<string>> more = unrestrained.Select(sample =>
            (IReadOnlyList<string>)[sample.Name, PaperRewards.Aesthetic, .. PaperRewards.Measures.Select(measure => sample.Unseen(measure).ToString())]);
        page.Table(["method", "trained on", .. PaperRewards.Measures], rows.Concat(more));
    }

    private static void WriteClaims(Page page, MethodComparison contest)
    {
        page.Head("What the paper says, and what these runs say");
        foreach (string reward in PaperRewards.Trained)
        {
            Sample vader = contest[Methods.Vader, reward];
            foreach (Sample other in contest.Trained(reward).Where(sample => sample != vader && !vader.IsEmpty))
            {
                (Interval ours, Interval theirs, Interval ahead) =
                    (vader.Unseen(reward), other.Unseen(reward), Fig4.Gap(vader, other, run => run.Unseen[reward]));
                int digits = Digits(reward);
                page.Claim(
                    ours.Low > theirs.High,
                    $"with equal queries VADER's {reward} reward on unseen prompts is above {other.Name}'s, intervals apart: {ours.ToString(digits)} "
                        + $"against {theirs.ToString(digits)}; seed by seed the difference is {ahead.ToString(digits)} "
                        + $"({Math.Min(vader.Runs.Count, other.Runs.Count)} seeds).");
            }
        }

        foreach (string reward in PaperRewards.Trained.Where(reward => !contest[Methods.Vader, reward].IsEmpty))
        {
            Sample vader = contest[Methods.Vader, reward];
            Interval lost = Fig4.Gap(contest[Methods.Base, reward], vader, run => run.Unseen[PaperRewards.TextSimilarity]);
            page.Claim(lost.Low <= 0, $"trained on {reward}, VADER's videos follow their prompts as the base model's do, as far as these runs can tell: text "
                + $"similarity falls by {lost}, seed by seed.");
        }

        page.Space().Say($"How many queries each level costs is the question of [Figure 7](fig7.md).");
    }
}
