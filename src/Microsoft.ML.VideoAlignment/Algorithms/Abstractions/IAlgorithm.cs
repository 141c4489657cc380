using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// One way to align a model: what it needs, how it trains, what its step takes, what files say of it. Everything else asks this interface and never which
/// algorithm it is.
/// </summary>
/// <remarks>Implementations are records: equal options make equal algorithms.</remarks>
internal interface IAlgorithm
{
    /// <summary>The name in files and messages, that of the factory method of <see cref="AlignmentAlgorithm"/>.</summary>
    string Name { get; }

    /// <summary>The algorithm's own options, a record.</summary>
    object Options { get; }

    /// <summary>
    /// Whether the reward's gradient is followed: then the reward must carry gradient, the decoder runs with a graph, and videos may have several segments.
    /// </summary>
    bool NeedsRewardGradient { get; }

    /// <summary>Whether steps with gradient are steps of the sampling loop, so that recomputing whole steps saves memory.</summary>
    bool DenoisesWithGradient { get; }

    /// <summary>Lists what is wrong with its own options beside the common ones, one sentence each.</summary>
    /// <param name="optimizer">The optimizer's options; of them <see cref="OptimizerOptions.VideosPerStep"/> holds whatever they are.</param>
    IEnumerable<string> Faults(OptimizerOptions optimizer);

    /// <summary>Lists what does not go together with a model, one sentence each; asked where all ranges hold.</summary>
    /// <param name="model">The model to align.</param>
    /// <param name="sampling">How videos are sampled.</param>
    IEnumerable<string> Faults(VideoDiffusionModel model, SamplingSettings sampling);

    /// <summary>Finds options of its own that were set and have no effect.</summary>
    /// <param name="sampling">How videos are sampled.</param>
    /// <returns>The option with its value, and why it has no effect.</returns>
    IEnumerable<(string Option, string Why)> FindIneffective(SamplingSettings sampling) => [];

    /// <summary>Lists which of its own options would take less memory with another value, such as "fewer GradientSteps (now 3)".</summary>
    IEnumerable<string> SaveMemory() => [];

    /// <summary>Fills in what the model decides.</summary>
    /// <param name="model">The model to align.</param>
    /// <returns>An algorithm that does the same with this model.</returns>
    IAlgorithm ResolveFor(VideoDiffusionModel model) => this;

    /// <summary>Makes the trainer of a run; run and adapters stay the caller's.</summary>
    /// <param name="run">The run.</param>
    /// <param name="adapters">The adapters to train.</param>
    AlignmentTrainer CreateTrainer(TrainingRun run, LoraAdapters adapters);

    /// <summary>
    /// Runs a training step by the trainer's own code, as short as has the peak of memory of a whole one, on a model that has shapes and no numbers.
    /// </summary>
    /// <param name="run">The run; its model is made by <see cref="VideoDiffusionModel.ToMeta"/>, and its prompts are counted, not read.</param>
    /// <param name="adapters">The adapters of the model's denoiser.</param>
    void DryRun(TrainingRun run, LoraAdapters adapters);

    /// <summary>Describes the options for people, in a saved alignment; null: nothing beside the common options.</summary>
    JsonNode? Describe();
}
