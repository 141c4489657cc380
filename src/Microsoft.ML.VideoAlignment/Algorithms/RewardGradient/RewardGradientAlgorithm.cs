using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>VADER (Prabhudesai et al. 2024, arXiv 2407.08737): the reward's own gradient.</summary>
/// <param name="Options">Which steps carry gradient.</param>
internal sealed record RewardGradientAlgorithm(RewardGradientOptions Options) : IAlgorithm
{
    public string Name => nameof(AlignmentAlgorithm.RewardGradient);

    object IAlgorithm.Options => Options;

    public bool NeedsRewardGradient => true;

    public bool DenoisesWithGradient => true;

    public IEnumerable<string> Faults(OptimizerOptions optimizer) => Options.Faults();

    public IEnumerable<string> Faults(VideoDiffusionModel model, SamplingSettings sampling)
    {
        var faults = new OptionFaults(nameof(RewardGradientOptions));
        string segments = $"{VideoSamplingOptions.Record}.{nameof(sampling.SegmentCount)} {sampling.SegmentCount}";
        if (sampling.SegmentCount > 1 && Options.KlWeight > 0)
        {
            faults.Add(nameof(Options.KlWeight), $"must be 0 for a video of several segments, got {Options.KlWeight} with {segments}.");
        }

        if (sampling.SegmentCount > 1 && Options.Window is { Copies: > 1 })
        {
            faults.Add(nameof(Options.Window), $"must not be {nameof(GradientWindow.LowVariance)} for a video of several segments, got {segments}.");
        }

        string choice = Options.Window is null ? nameof(Options.GradientSteps) : nameof(Options.Window);
        faults.Try<ArgumentException>(choice, () => Options.ResolveWindow(model).Resolve(model.CreateSampler(sampling), static _ => 0));
        faults.Try<NotSupportedException>(nameof(Options.Window), () => _ = Options.ResolveWindow(model).Copies > 1 ? model.PolicyScheduler : null);
        return faults.All;
    }

    public IEnumerable<(string Option, string Why)> FindIneffective(SamplingSettings sampling)
    {
        if (Options.CarryGradientAcrossSegments && sampling.SegmentCount == 1)
        {
            yield return (
                $"{nameof(RewardGradientOptions)}.{nameof(Options.CarryGradientAcrossSegments)} {true}",
                $"a video of {VideoSamplingOptions.Record}.{nameof(sampling.SegmentCount)} 1 has no later segment");
        }
    }

    public IEnumerable<string> SaveMemory() => Options.GradientSteps > 1
        ? [string.Create(CultureInfo.InvariantCulture, $"fewer {nameof(RewardGradientOptions)}.{nameof(Options.GradientSteps)} (now {Options.GradientSteps})")]
        : [];

    public IAlgorithm ResolveFor(VideoDiffusionModel model) =>
        new RewardGradientAlgorithm(Options with { Window = Options.ResolveWindow(model), GradientSteps = 1 }); // the window has them

    public AlignmentTrainer CreateTrainer(TrainingRun run, LoraAdapters adapters) => new RewardGradientTrainer(run, adapters, Options);

    public void DryRun(TrainingRun run, LoraAdapters adapters) => RewardGradientDryRun.Run(run, adapters, Options);

    public JsonNode? Describe() => new JsonObject
    {
        ["gradientSteps"] = Options.GradientSteps,
        ["window"] = Options.Window?.ToString(),
        ["carryGradientAcrossSegments"] = Options.CarryGradientAcrossSegments,
        ["klWeight"] = Options.KlWeight,
    };

    public override string ToString() => Options.Window is { } window ? $"gradient through {window}" : "reward gradient";
}
