using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>Tensors in memory as a source of weights, so that a state has the same hash before it is written as when it is read.</summary>
/// <param name="tensors">Tensors by name; they stay their owner's.</param>
internal sealed class GatheredTensors(IReadOnlyDictionary<string, Tensor> tensors) : IWeightSource
{
    public string Location => "the state of a run in memory";

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; } =
        tensors.ToDictionary(pair => pair.Key, pair => new WeightInfo(pair.Value.dtype, pair.Value.shape), StringComparer.Ordinal);

    public Tensor Read(string name)
    {
        using Tensor onCpu = tensors[name].cpu();
        return onCpu.contiguous();
    }

    public void Dispose()
    {
    }
}
