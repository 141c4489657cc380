using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>run-card.json: what was run and what it gave, for programs.</summary>
internal static class RunCard
{
    /// <summary>Writes the card of an alignment.</summary>
    /// <param name="folder">The result.</param>
    /// <param name="job">What was run.</param>
    /// <param name="curve">The steps that were done, at least one.</param>
    /// <param name="comparison">Base against aligned.</param>
    /// <param name="reloadedSame">Whether the saved model gave the same frames.</param>
    public static void Write(
        ResultFolder folder, AlignmentJob job, IReadOnlyList<VideoAlignmentProgress> curve, Comparison comparison, bool reloadedSame)
    {
        VideoAlignmentProgress last = curve[^1];
        var card = new Dictionary<string, object?>();
        foreach ((Measure measure, VideoAlignmentMetrics? metrics) in comparison.Results)
        {
            card[measure.Key] = metrics is null ? null : Pair(metrics);
        }

        card["heldOutPrompts"] = comparison.Videos.Count;
        card["reward"] = job.Reward.Name;
        card["steps"] = last.Step;
        card["stepsAsked"] = job.Settings.Steps;
        card["rewardQueries"] = last.RewardQueries;
        card["denoiserEvaluations"] = last.DenoiserEvaluations;
        card["secondsPerStep"] = Math.Round(last.Elapsed.TotalSeconds / last.Step, 4);
        card["peakMemoryBytes"] = PeakMemory();
        card["seed"] = job.Settings.Seed;
        card["modelSource"] = job.Model.Source;
        card["modelHash"] = job.Model.Hash;
        card["libraryVersion"] = typeof(VideoDiffusionModel).Assembly.GetName().Version!.ToString(3);
        card["reloadedFramesEqual"] = reloadedSame;
        Write(folder, card);
    }

    /// <summary>Writes a card with the list of the result's files, so it has to be written last.</summary>
    /// <param name="folder">The result.</param>
    /// <param name="card">The entries; the list is added to them.</param>
    public static void Write(ResultFolder folder, Dictionary<string, object?> card)
    {
        card["files"] = folder.Written().Order(StringComparer.Ordinal).ToArray();
        Write(folder[ResultFolder.Card], card);
    }

    /// <summary>Writes a card.</summary>
    /// <param name="path">The file.</param>
    /// <param name="card">The entries.</param>
    public static void Write(string path, IReadOnlyDictionary<string, object?> card) =>
        File.WriteAllText(path, JsonSerializer.Serialize(card, s_indented) + "\n");

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>Makes the entries of a measure: before, after, and the gain with its interval.</summary>
    /// <param name="metrics">The measure, with a gain.</param>
    public static Dictionary<string, double> Pair(VideoAlignmentMetrics metrics) => new()
    {
        ["before"] = Math.Round(metrics.Gain!.BaseMeanScore, 5),
        ["after"] = Math.Round(metrics.MeanScore, 5),
        ["gain"] = Math.Round(metrics.Gain.Mean, 5),
        ["gainHalfWidth95"] = Math.Round(metrics.Gain.ConfidenceHalfWidth, 5),
    };

    private static long PeakMemory()
    {
        using var self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }
}
