using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>An optimizer over adapter factors.</summary>
internal interface IAdapterOptimizer : IResumable, IDisposable
{
    /// <summary>Bytes of the optimizer's state.</summary>
    long StateBytes { get; }

    /// <summary>Computes the bytes of the state of one tensor.</summary>
    /// <param name="parameter">The tensor.</param>
    /// <param name="state">The precision of the moments.</param>
    static long BytesFor(Tensor parameter, OptimizerState state) => state == OptimizerState.EightBit
        ? 2 * (parameter.numel() + (sizeof(float) * ((parameter.numel() + BlockwiseQuantizer.Block - 1) / BlockwiseQuantizer.Block)))
        : 2 * sizeof(float) * parameter.numel();

    /// <summary>Updates the parameters by their gradients.</summary>
    /// <param name="learningRate">The learning rate of this update, at least 0.</param>
    void Step(double learningRate);

    /// <summary>Sets the gradients to zero.</summary>
    void ZeroGrad();

    /// <summary>Creates AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with the options' precision of the moments.</summary>
    /// <param name="parameters">The parameters to train.</param>
    /// <param name="options">Decays, epsilon, weight decay and precision.</param>
    static IAdapterOptimizer Create(IReadOnlyList<Parameter> parameters, OptimizerOptions options) =>
        options.State == OptimizerState.EightBit ? new EightBitAdamW(parameters, options) : new AdamW(parameters, options);
}
