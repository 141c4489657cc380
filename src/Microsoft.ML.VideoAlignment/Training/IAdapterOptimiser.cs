using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Moves adapters along their gradient.</summary>
internal interface IAdapterOptimiser : IDisposable
{
    /// <summary>Bytes of what it remembers of the steps so far.</summary>
    long StateBytes { get; }

    /// <summary>What that will be for one tensor.</summary>
    static long BytesFor(Tensor parameter, OptimizerState state) => state == OptimizerState.EightBit
        ? 2 * (parameter.numel() + (sizeof(float) * ((parameter.numel() + DynamicTree.Block - 1) / DynamicTree.Block)))
        : 2 * sizeof(float) * parameter.numel();

    void Step();

    /// <summary>Forgets the gradient.</summary>
    void ZeroGrad();

    /// <summary>AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with these settings.</summary>
    static IAdapterOptimiser Create(IReadOnlyList<Parameter> parameters, TrainingSettings settings) =>
        settings.OptimizerState == OptimizerState.EightBit ? new EightBitAdamW(parameters, settings) : new TorchAdamW(parameters, settings);
}

/// <summary>libtorch's AdamW.</summary>
internal sealed class TorchAdamW(IReadOnlyList<Parameter> parameters, TrainingSettings settings) : IAdapterOptimiser
{
    private readonly torch.optim.Optimizer _optimiser = optim.AdamW(
        parameters, settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay);

    public long StateBytes { get; } = parameters.Sum(parameter => IAdapterOptimiser.BytesFor(parameter, OptimizerState.Full));

    public void Step() => _optimiser.step();

    public void ZeroGrad() => _optimiser.zero_grad();

    public void Dispose() => _optimiser.Dispose();
}
