using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.MLNet;
using ProveGradients;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Proves gradients on the device, in float64, for cases that have every value of every axis (<see cref="ProofCase"/>).</summary>
internal static class GradientPhase
{
    // A point that lies on a kink of the loss proves nothing; so many are tried.
    private const int Points = 3;

    /// <summary>Runs the cases.</summary>
    /// <param name="device">The device.</param>
    /// <param name="tiny">Whether one case a family is enough.</param>
    /// <param name="seconds">After how long no further case is begun.</param>
    /// <param name="report">Receives each comparison.</param>
    public static void Run(Device device, bool tiny, double seconds, Action<CheckRow> report)
    {
        using var rewards = new ProofRewards();
        using var models = new ProofModels();
        IReadOnlyList<ProofCase> chosen = tiny ? Short() : ProofCase.EveryValue();
        var clock = Stopwatch.StartNew();
        foreach ((int place, ProofCase proof) in chosen.Index())
        {
            if (clock.Elapsed.TotalSeconds > seconds)
            {
                report(new CheckRow($"{chosen.Count - place} of {chosen.Count} cases", CheckVerdict.Skipped, "the time was up"));
                return;
            }

            AdapterHost.ForModel(models[proof.Family]).MoveTo(device);
            GradientCheckReport proved = Prove(models[proof.Family], rewards[proof["reward"]], proof);
            string note = proved.Passed ? string.Create(CultureInfo.InvariantCulture, $"largest error {proved.LargestError:e1}") : $"{proved}";
            report(new CheckRow($"{proof}", proved.Passed ? CheckVerdict.Passed : CheckVerdict.Failed, note));
        }
    }

    // One case a family of what takes least.
    private static IReadOnlyList<ProofCase> Short()
    {
        string[] axes = ["reward", "window", "batch", "frames", "accumulation", "copies", "segments"];
        return [.. ProofCase.EveryPair(ProofCase.Axes.ToDictionary(axis => axis.Name, axis => axes.Contains(axis.Name) ? (string[]?)[axis.Values[0]] : null))
            .DistinctBy(proof => proof.Family)];
    }

    private static GradientCheckReport Prove(VideoDiffusionModel model, VideoReward reward, ProofCase proof)
    {
        for (int point = 1; ; point++)
        {
            var check = new GradientCheckOptions { Directions = 1, Parts = 0, Invariants = false, Seed = point };
            GradientCheckReport report = GradientCheck.Run(model, reward, proof.Options(), check);
            if (report.Passed || point == Points || !report.Rows.All(row => row.Passed || row.NearKink))
            {
                return report;
            }
        }
    }
}
