using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms.DiffusionDpo;

/// <summary>Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908): preferences between videos of one prompt.</summary>
/// <param name="Options">Pairs and their weight.</param>
internal sealed record DiffusionDpoAlgorithm(DiffusionDpoOptions Options) : IAlgorithm
{
    public string Name => nameof(AlignmentAlgorithm.DiffusionDpo);

    object IAlgorithm.Options => Options;

    public bool NeedsRewardGradient => false;

    /// <summary>False: no denoising step leads to the call with gradient, and it leads to none.</summary>
    public bool DenoisesWithGradient => false;

    public IEnumerable<string> Faults(OptimizerOptions optimizer) => Options.Faults(optimizer.VideosPerStep);

    public IEnumerable<string> Faults(VideoDiffusionModel model, SamplingSettings sampling)
    {
        try
        {
            _ = model.PolicyScheduler;
            return [];
        }
        catch (NotSupportedException error)
        {
            return [$"{nameof(VideoAlignmentOptions.Algorithm)}: {OptionFaults.Sentence(error)}"];
        }
    }

    public AlignmentTrainer CreateTrainer(TrainingRun run, LoraAdapters adapters) => new DiffusionDpoTrainer(run, adapters, Options);

    public void DryRun(TrainingRun run, LoraAdapters adapters) => DiffusionDpoDryRun.Run(run, adapters, Options);

    public JsonNode? Describe() => JsonSerializer.SerializeToNode(Options, AlgorithmJson.CamelCase);

    public override string ToString() => $"Diffusion-DPO ({Options})";
}
