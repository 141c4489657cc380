using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Moves adapters along their gradient.</summary>
internal interface IAdapterOptimizer : IResumable, IDisposable
{
    /// <summary>Bytes of what it remembers of the steps so far.</summary>
    long StateBytes { get; }

    /// <summary>What that will be for one tensor.</summary>
    static long BytesFor(Tensor parameter, OptimizerState state) => state == OptimizerState.EightBit
        ? 2 * (parameter.numel() + (sizeof(float) * ((parameter.numel() + BlockwiseQuantizer.Block - 1) / BlockwiseQuantizer.Block)))
        : 2 * sizeof(float) * parameter.numel();

    void Step();

    /// <summary>Forgets the gradient.</summary>
    void ZeroGrad();

    /// <summary>AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with these settings.</summary>
    static IAdapterOptimizer Create(IReadOnlyList<Parameter> parameters, TrainingSettings settings) =>
        settings.OptimizerState == OptimizerState.EightBit ? new EightBitAdamW(parameters, settings) : new AdamW(parameters, settings);
}
