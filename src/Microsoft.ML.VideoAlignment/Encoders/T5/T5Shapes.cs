using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Reads the configuration of a UMT5 from the shapes in its file, which comes without one in Wan's own releases.</summary>
internal static class T5Shapes
{
    /// <summary>Reads the sizes; what has no shape (distance, epsilon, activation) is UMT5's.</summary>
    /// <param name="source">The weights, under transformers' names or Wan's.</param>
    /// <exception cref="WeightFileException">The file lacks a tensor that every UMT5 has.</exception>
    public static T5Config ReadUmt5(IWeightSource source)
    {
        KeyMap map = T5Keys.CreateMap(source);
        var shapes = new Dictionary<string, IReadOnlyList<long>>(StringComparer.Ordinal);
        foreach ((string name, WeightInfo info) in source.Entries)
        {
            if (map.MapName(name) is { } key)
            {
                shapes.TryAdd(key, info.Shape);
            }
        }

        IReadOnlyList<long> words = Find(T5Keys.Shared);
        IReadOnlyList<long> table = Find("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        return T5Config.Umt5Xxl with
        {
            VocabSize = words[0],
            DModel = words[1],
            DKv = Find("encoder.block.0.layer.0.SelfAttention.q.weight")[0] / table[1],
            DFf = Find("encoder.block.0.layer.1.DenseReluDense.wi_0.weight")[0],
            NumLayers = Enumerable.Range(0, shapes.Count).TakeWhile(block => shapes.ContainsKey($"encoder.block.{block}.layer.0.layer_norm.weight")).Count(),
            NumHeads = table[1],
            RelativeAttentionNumBuckets = table[0],
        };

        IReadOnlyList<long> Find(string key) =>
            shapes.TryGetValue(key, out IReadOnlyList<long>? shape) && shape.Count == 2 && shape.All(static size => size > 0) ? shape
            : throw new WeightFileException(source.Location, $"is not the encoder of a UMT5: it has no matrix '{key}', under this name or Wan's.");
    }
}
