using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;
using AdamW = TorchSharp.Modules.AdamW;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>Moves adapters along their gradient.</summary>
internal interface IAdapterOptimiser : IResumable, IDisposable
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
    private readonly AdamW _optimiser = optim.AdamW(
        parameters, settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay);

    public long StateBytes { get; } = parameters.Sum(parameter => IAdapterOptimiser.BytesFor(parameter, OptimizerState.Full));

    public void Step() => _optimiser.step();

    public void ZeroGrad() => _optimiser.zero_grad();

    public void Save(StateWriter state)
    {
        foreach ((int index, AdamW.State moments) in Moments)
        {
            state.Write($"steps/{index}", moments.step);
            state.Write($"first/{index}", moments.exp_avg);
            state.Write($"second/{index}", moments.exp_avg_sq);
        }
    }

    public void Load(StateReader state)
    {
        using IDisposable guard = no_grad();
        foreach ((int index, AdamW.State moments) in Moments)
        {
            moments.step = state.Integer($"steps/{index}");
            using Tensor first = state.TensorLike($"first/{index}", moments.exp_avg), second = state.TensorLike($"second/{index}", moments.exp_avg_sq);
            moments.exp_avg.copy_(first);
            moments.exp_avg_sq.copy_(second);
        }
    }

    public void Dispose() => _optimiser.Dispose();

    /// <summary>What libtorch remembers of each parameter, in their order.</summary>
    private IEnumerable<(int Index, AdamW.State Moments)> Moments => _optimiser.state_dict().State.Cast<AdamW.State>().Index();
}
