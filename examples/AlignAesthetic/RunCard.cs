using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.VideoAlignment;

namespace AlignAesthetic;

/// <summary>run-card.json: what was run and what it gave, for programs.</summary>
internal static class RunCard
{
    public static void Write(string path, Settings settings, VideoDiffusionModel model, VideoReward reward, TrainingView training, Comparison comparison, bool reloadedSame)
    {
        VideoAlignmentProgress last = training.Curve[^1];
        var card = new Dictionary<string, object?>
        {
            ["heldOut"] = Pair(comparison.Aesthetic),
            ["heldOutTrue"] = comparison.True is { } rating ? Pair(rating) : null,
            ["heldOutText"] = comparison.Text is { } text ? Pair(text) : null,
            ["heldOutPrompts"] = comparison.Films.Count,
            ["reward"] = reward.Name,
            ["steps"] = last.Step,
            ["rewardQueries"] = last.RewardQueries,
            ["secondsPerStep"] = Math.Round(last.Elapsed.TotalSeconds / last.Step, 4),
            ["peakMemoryBytes"] = PeakMemory(),
            ["seed"] = settings.Seed,
            ["modelSource"] = model.Source,
            ["modelHash"] = model.Hash,
            ["libraryVersion"] = typeof(VideoDiffusionModel).Assembly.GetName().Version!.ToString(3),
            ["reloadedFramesEqual"] = reloadedSame,
        };
        File.WriteAllText(path, JsonSerializer.Serialize(card, s_indented) + "\n");
    }

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    private static Dictionary<string, double> Pair(VideoAlignmentMetrics metrics) => new()
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
