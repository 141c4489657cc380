using System.Globalization;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>What choosing the gradient step by the sampler's own sensitivity buys over the last step, at equal cost.</summary>
internal static class Sensitivity
{
    public const string Name = "sensitivity";

    /// <summary>The window of the one step that moves the video most.</summary>
    public const string Sensitive = "sensitive 1";

    private const string Reward = PaperRewards.Aesthetic;

    public static void Run(ExperimentContext desk)
    {
        Scale scale = desk.Scale;
        (string Name, string Title, Func<string, int, ExperimentConfig> Of)[] models =
        [
            (ExperimentConfig.Text, "text to video, DDIM", (method, seed) => desk.Scale.Cell(method, Reward, seed, desk.Rates.Of(Methods.Vader, Reward))),
            (ExperimentConfig.Image, "image to video, Euler with Karras sigmas",
                (method, seed) => desk.Scale.ImageCell(method, Reward, seed, desk.Rates.Of(Methods.Vader, Reward))),
        ];

        // Where the most sensitive step is the last one the two windows are one, and there is nothing to run.
        Dictionary<string, double[]> sensitivities = models.ToDictionary(model => model.Name, model => Steps(model.Of(Methods.Vader, 1)));
        ExperimentConfig[] cells =
        [
            .. from seed in scale.SeedList
               from model in models
               where !SameStep(sensitivities[model.Name])
               from cell in new[] { model.Of(Methods.Base, seed), model.Of(Methods.Vader, seed),
                   model.Of(Methods.Vader, seed) with { Window = Sensitive, Videos = 0 } }
               select cell,
        ];
        IReadOnlyList<CellResult> results = desk.Campaign.Complete(cells);
        var page = new Page(
            "Sensitivity-aware windows: MostSensitive against LastSteps",
            "How strongly the final latents react to the prediction of a step is known from the sampler alone, and the last step can be nearly inert. One "
                + "gradient step, chosen by that number or simply the last: the same queries, the same number of network evaluations, nearly the same time.");
        page.Missing(results.Count, cells.Length).Say($"Aesthetic reward of unseen prompts (text to video) and unseen images (image to video, the form of "
            + $"Stable Video Diffusion); {scale.Queries} videos scored in training.");
        var findings = new Findings();
        foreach ((string model, string title, _) in models)
        {
            Describe(page, findings, model, title, [.. results.Where(run => run.Cell.Model == model)], sensitivities[model]);
        }

        page.Image("sensitivity.png", "Reward by queries for both windows").Head("What these runs say");
        findings.Claims.ForEach(claim => page.Claim(claim.Holds, claim.Text));
        page.Space();
        Csv.Write(desk["sensitivity.csv"], ["model", "window", "seed", "reward of unseen", "CPU seconds"], findings.Rows);
        if (findings.Plots.Count > 0)
        {
            Chart.Save(desk["sensitivity.png"], [.. findings.Plots]);
        }

        page.Write(desk["sensitivity.md"], results, desk.Command(Name));
    }

    private static void Describe(Page page, Findings findings, string model, string title, CellResult[] there, double[] steps)
    {
        CellResult[] bases = [.. there.Where(run => run.Cell.Method == Methods.Base)];
        var last = new Sample("LastSteps(1)", there.Where(run => run.Cell.Method == Methods.Vader && run.Cell.Window == Methods.LastStep), bases);
        var sensitive = new Sample("MostSensitive(1)", there.Where(run => run.Cell.Window == Sensitive), bases);
        page.Head(title)
            .Say($"d(final latents) / d(prediction of step i), in sampling order: "
                + $"{string.Join(", ", steps.Select(step => step.ToString("0.####", CultureInfo.InvariantCulture)))}. "
                + $"MostSensitive(1) takes step {Array.IndexOf(steps, steps.MaxBy(Math.Abs))} of 0 to {steps.Length - 1}.");
        if (SameStep(steps))
        {
            page.Say($"It is the last one: of DDIM steps with trailing spacing the last goes the whole way to the clean video. The two windows are the "
                + $"same here, and nothing was run.");
            return;
        }

        if (last.IsEmpty || sensitive.IsEmpty)
        {
            return;
        }

        Interval start = Interval.Of(bases.Select(run => run.Unseen[Reward])), gain = Fig4.Gap(sensitive, last, run => run.Unseen[Reward]);
        page.Table(["", "aesthetic, unseen", "true rating", "text similarity", "CPU seconds"],
        [
            ["base model", start.ToString(), Mean(bases, PaperRewards.TrueRating), Mean(bases, PaperRewards.TextSimilarity), "-"],
            .. new[] { last, sensitive }.Select(sample => (IReadOnlyList<string>)
                [sample.Name, sample.Unseen(Reward).ToString(), sample.Unseen(PaperRewards.TrueRating).ToString(),
                    sample.Unseen(PaperRewards.TextSimilarity).ToString(), sample.Of(run => run.CpuSeconds).ToString(1)]),
        ]);
        findings.Claims.Add((gain.Low > 0 ? true : gain.High < 0 ? false
            : null, $"{title}: the most sensitive step gives more reward than the last one; the difference, seed by seed, is {gain}."));
        findings.Plots.Add(Chart.Lines(title, "videos scored in training", "aesthetic reward, unseen",
            [last.Series(Sample.Queries), sensitive.Series(Sample.Queries)]));
        findings.Rows.AddRange(new[] { last, sensitive }.SelectMany(
            sample => sample.Runs.Select(run => new object?[] { model, sample.Name, run.Cell.Seed, run.Unseen[Reward], run.CpuSeconds })));

        static string Mean(CellResult[] runs, string measure) => Interval.Of(runs.Select(run => run.Unseen[measure])).ToString();
    }

    private static bool SameStep(double[] steps) => Array.IndexOf(steps, steps.MaxBy(Math.Abs)) == steps.Length - 1;

    private static double[] Steps(ExperimentConfig cell)
    {
        using VideoDiffusionModel model = CellRun.Open(cell);
        return StepSensitivity.Compute(model.CreateSampler(Methods.Options(cell).Options.ResolveSampling(model)));
    }

    /// <summary>What the runs of all models give, beside the page's text.</summary>
    private sealed class Findings
    {
        public List<ScottPlot.Plot> Plots { get; } = [];

        public List<object?[]> Rows { get; } = [];

        public List<(bool? Holds, string Text)> Claims { get; } = [];
    }
}
