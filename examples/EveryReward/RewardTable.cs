using System.Globalization;
using Microsoft.ML.VideoAlignment;

namespace EveryReward;

/// <summary>A finished line: what the alignment to one reward gave on unseen prompts.</summary>
internal sealed record Row(string Reward, bool LowerIsBetter, VideoAlignmentMetrics Metrics, int Steps, double SecondsPerStep)
{
    /// <summary>Whether the score went the declared way by more than its 95 % interval.</summary>
    public bool IsGain => (LowerIsBetter ? -1 : 1) * Metrics.Gain!.Mean > Metrics.Gain.ConfidenceHalfWidth;
}

/// <summary>The table, for people and for programs.</summary>
internal static class RewardTable
{
    public static string Markdown(IReadOnlyList<Row> rows) => string.Join('\n',
    [
        "| reward | before | after | gain, 95 % interval | seconds a step |",
        "|---|---|---|---|---|",
        .. rows.Select(row => FormattableString.Invariant(
            $"| {row.Reward}{(row.LowerIsBetter ? " (lower is better)" : "")} | {row.Metrics.Gain!.BaseMeanScore:0.000} | {row.Metrics.MeanScore:0.000} | {row.Metrics.Gain.Mean:+0.000;-0.000;0.000} ± {row.Metrics.Gain.ConfidenceHalfWidth:0.000}{(row.IsGain ? "" : " (none)")} | {row.SecondsPerStep:0.0} |")),
        "",
    ]);

    public static string Tsv(IReadOnlyList<Row> rows) => string.Join('\n',
    [
        "reward\tbefore\tafter\tgain\tgain_half_width_95\tseconds_per_step\tsteps\tfilms",
        .. rows.Select(row => string.Join('\t', new object[]
        {
            row.Reward, row.Metrics.Gain!.BaseMeanScore, row.Metrics.MeanScore, row.Metrics.Gain.Mean, row.Metrics.Gain.ConfidenceHalfWidth, row.SecondsPerStep, row.Steps, row.Metrics.Count,
        }.Select(cell => Convert.ToString(cell, CultureInfo.InvariantCulture)))),
        "",
    ]);
}
