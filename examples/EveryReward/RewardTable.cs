using System.Globalization;
using Microsoft.ML.VideoAlignment;

namespace EveryReward;

/// <summary>A finished line: what the alignment to one reward gave on unseen prompts.</summary>
/// <param name="Reward">The reward's name.</param>
/// <param name="LowerIsBetter">Whether a better video has a lower score.</param>
/// <param name="Metrics">Base against aligned.</param>
/// <param name="Steps">Optimizer steps that were done.</param>
/// <param name="SecondsPerStep">The time of one of them.</param>
internal sealed record Row(string Reward, bool LowerIsBetter, VideoAlignmentMetrics Metrics, int Steps, double SecondsPerStep)
{
    /// <summary>Whether the score got better by more than its 95 % interval.</summary>
    public bool IsGain => (LowerIsBetter ? -1 : 1) * Metrics.Gain!.Mean > Metrics.Gain.ConfidenceHalfWidth;
}

/// <summary>The table, for people and for programs.</summary>
internal static class RewardTable
{
    /// <summary>Writes the table as Markdown.</summary>
    /// <param name="rows">The lines.</param>
    public static string Markdown(IReadOnlyList<Row> rows) => string.Join('\n',
    [
        "| reward | before | after | gain, 95 % interval | seconds a step |",
        "|---|---|---|---|---|",
        .. rows.Select(row => FormattableString.Invariant(
            $"| {row.Reward}{(row.LowerIsBetter ? " (lower is better)" : "")} | {row.Metrics.Gain!.BaseMeanScore:0.000} | {row.Metrics.MeanScore:0.000} | ")
            + FormattableString.Invariant($"{row.Metrics.Gain.Mean:+0.000;-0.000;0.000} ± {row.Metrics.Gain.ConfidenceHalfWidth:0.000}")
            + FormattableString.Invariant($"{(row.IsGain ? "" : " (none)")} | {row.SecondsPerStep:0.0} |")),
        "",
    ]);

    /// <summary>Writes the table as tab-separated text.</summary>
    /// <param name="rows">The lines.</param>
    public static string Tsv(IReadOnlyList<Row> rows) => string.Join('\n',
    [
        "reward\tbefore\tafter\tgain\tgain_half_width_95\tseconds_per_step\tsteps\tvideos",
        .. rows.Select(row => string.Join('\t', new object[]
        {
            row.Reward, row.Metrics.Gain!.BaseMeanScore, row.Metrics.MeanScore, row.Metrics.Gain.Mean, row.Metrics.Gain.ConfidenceHalfWidth,
            row.SecondsPerStep, row.Steps, row.Metrics.Count,
        }.Select(cell => Convert.ToString(cell, CultureInfo.InvariantCulture)))),
        "",
    ]);
}
