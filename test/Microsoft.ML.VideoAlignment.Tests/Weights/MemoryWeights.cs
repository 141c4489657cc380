using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A source of tensors made by a test.</summary>
internal sealed class MemoryWeights(params (string Name, Tensor Value)[] tensors) : IWeightSource
{
    public string Location => "memory";

    /// <summary>How many tensors were handed out.</summary>
    public int Reads { get; private set; }

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; } =
        tensors.ToDictionary(pair => pair.Name, pair => new WeightInfo(pair.Value.dtype, pair.Value.shape));

    public Tensor Read(string name)
    {
        Reads++;
        return tensors.First(pair => pair.Name == name).Value.contiguous().clone();
    }

    public void Dispose()
    {
    }
}
