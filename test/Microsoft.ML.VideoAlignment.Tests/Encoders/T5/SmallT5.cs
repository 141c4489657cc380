using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A T5 of a few numbers whose weights are ramps.</summary>
internal static class SmallT5
{
    public static T5Config Config { get; } = new()
    {
        VocabSize = 24,
        DModel = 12,
        DKv = 4,
        DFf = 20,
        NumLayers = 3,
        NumHeads = 2,
        RelativeAttentionNumBuckets = 8,
        RelativeAttentionMaxDistance = 20,
        FeedForwardProj = "gated-gelu",
    };

    /// <summary>The same with a table of position biases in every block.</summary>
    public static T5Config Umt5 { get; } = Config with { HasBiasInEveryBlock = true };

    /// <summary>Names and values of every weight.</summary>
    public static (string Name, Tensor Value)[] Weights(T5Config? config = null)
    {
        using var shapes = new T5Encoder(config ?? Config, Placement.Meta);
        return [.. shapes.state_dict().Select((pair, index) => (pair.Key, Ramp(pair.Value.shape, index)))];
    }

    public static Tensor Ids() => tensor(new long[,] { { 5, 9, 11, 3, 1 }, { 7, 2, 1, 0, 0 } });

    public static Tensor Mask() => tensor(new long[,] { { 1, 1, 1, 1, 1 }, { 1, 1, 1, 0, 0 } });

    private static Tensor Ramp(long[] shape, int index)
    {
        long count = shape.Aggregate(1L, (a, b) => a * b);
        return (arange(count, dtype: ScalarType.Float32) + (7 * index)).sin().reshape(shape) * 0.4;
    }
}
