using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>What a proof makes its trainers of.</summary>
/// <param name="Run">The run.</param>
/// <param name="Options">Which denoising steps carry gradient.</param>
internal sealed record ProofSetup(TrainingRun Run, RewardGradientOptions Options)
{
    /// <summary>Makes a trainer.</summary>
    /// <param name="adapters">The adapters to train.</param>
    public RewardGradientTrainer CreateTrainer(LoraAdapters adapters) => new(Run, adapters, Options);

    /// <summary>Chooses other gradient steps.</summary>
    /// <param name="window">The gradient steps.</param>
    public ProofSetup WithWindow(GradientWindow window) => this with { Options = Options with { Window = window, GradientSteps = 1 } };

    /// <summary>Chooses another number of micro-batches in an optimizer step.</summary>
    /// <param name="count">The number of micro-batches.</param>
    public ProofSetup WithAccumulation(int count) => this with { Run = Run with { Optimizer = Run.Optimizer with { AccumulationSteps = count } } };
}
