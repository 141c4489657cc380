using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>run-card.json: what was run and what it gave, for programs.</summary>
internal static class RunCard
{
    public static void Write(ResultFolder folder, AlignmentJob job, IReadOnlyList<VideoAlignmentProgress> curve, Comparison comparison, bool reloadedSame)
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

    /// <summary>Writes the card last: it says which files are the result's.</summary>
    public static void Write(ResultFolder folder, Dictionary<string, object?> card)
    {
        card["files"] = folder.Written().Order(StringComparer.Ordinal).ToArray();
        Write(folder[ResultFolder.Card], card);
    }

    public static void Write(string path, IReadOnlyDictionary<string, object?> card) => File.WriteAllText(path, JsonSerializer.Serialize(card, s_indented) + "\n");

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>Before, after, and the gain with its interval.</summary>
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
