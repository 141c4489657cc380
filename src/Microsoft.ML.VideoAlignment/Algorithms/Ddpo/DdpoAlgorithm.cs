using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.Ddpo;

/// <summary>DDPO (Black et al. 2023, arXiv 2305.13301): policy gradients over the denoising steps.</summary>
/// <param name="Options">Rollouts, clipping and advantages.</param>
internal sealed record DdpoAlgorithm(DdpoOptions Options) : IAlgorithm
{
    public string Name => nameof(AlignmentAlgorithm.Ddpo);

    object IAlgorithm.Options => Options;

    public bool NeedsRewardGradient => false;

    public bool DenoisesWithGradient => true;

    public IEnumerable<string> Faults(OptimizerOptions optimizer) => Options.Faults(optimizer.VideosPerStep);

    public IEnumerable<string> Faults(VideoDiffusionModel model, SamplingSettings sampling)
    {
        int count;
        try
        {
            count = model.PolicyScheduler.CreatePolicy(sampling.Steps, Options.Eta).Timesteps.Count;
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            return [$"{nameof(VideoAlignmentOptions.Algorithm)}: {OptionFaults.Sentence(error)}"];
        }

        return Options.TrainedSteps(count) >= 1 ? [] :
        [
            $"{nameof(DdpoOptions)}.{nameof(Options.TimestepFraction)} must leave at least one of {count} denoising steps, got {Options.TimestepFraction}.",
        ];
    }

    public IEnumerable<(string Option, string Why)> FindIneffective(SamplingSettings sampling)
    {
        if (Options.PerPromptAdvantages && Options.AdvantageMinimum > Options.AdvantageBuffer)
        {
            return
            [
                ($"{nameof(DdpoOptions)}.{nameof(Options.PerPromptAdvantages)} {true}",
                    $"{nameof(Options.AdvantageBuffer)} {Options.AdvantageBuffer} never holds the {nameof(Options.AdvantageMinimum)} of "
                    + $"{Options.AdvantageMinimum}"),
            ];
        }

        var usual = new DdpoOptions();
        return new (string Name, int Value, int Usual)[]
        {
            (nameof(Options.AdvantageBuffer), Options.AdvantageBuffer, usual.AdvantageBuffer),
            (nameof(Options.AdvantageMinimum), Options.AdvantageMinimum, usual.AdvantageMinimum),
        }.Where(option => !Options.PerPromptAdvantages && option.Value != option.Usual)
            .Select(option => ($"{nameof(DdpoOptions)}.{option.Name} {option.Value}", $"{nameof(Options.PerPromptAdvantages)} is false"));
    }

    public AlignmentTrainer CreateTrainer(TrainingRun run, LoraAdapters adapters) => new DdpoTrainer(run, adapters, Options);

    public void DryRun(TrainingRun run, LoraAdapters adapters) => new DdpoDryRun(run, Options).Run(adapters);

    public JsonNode? Describe() => JsonSerializer.SerializeToNode(Options, AlgorithmJson.CamelCase);

    public override string ToString() => $"DDPO ({Options})";
}
