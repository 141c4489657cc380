using Microsoft.ML.VideoAlignment.Tensors;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>T5's alternative to position embeddings: a number per head for every bucket of (key position - query position).</summary>
/// <remarks>Small distances have a bucket each, larger ones share logarithmic buckets; each direction has half of the table [buckets, heads].</remarks>
internal static class T5PositionBias
{
    /// <summary>Computes the bucket of every pair of tokens, the same for all blocks.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="length">L, the number of tokens in a row.</param>
    /// <param name="device">The device of the tables.</param>
    /// <returns>int64 [L, L], by query and key.</returns>
    public static Tensor CreateBuckets(T5Config config, long length, Device device)
    {
        long[] buckets = new long[length * length];
        for (long query = 0, at = 0; query < length; query++)
        {
            for (long key = 0; key < length; key++)
            {
                buckets[at++] = Bucket(key - query, config.RelativeAttentionNumBuckets, config.RelativeAttentionMaxDistance);
            }
        }

        using Tensor flat = DeviceTable.Create(buckets, device);
        return flat.view(length, length);
    }

    /// <summary>Looks up the biases of all pairs of tokens, with the table's graph.</summary>
    /// <param name="table">The biases, [buckets, heads].</param>
    /// <param name="buckets">int64 [L, L].</param>
    /// <returns>[1, heads, L, L].</returns>
    public static Tensor Compute(Embedding table, Tensor buckets)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = table.call(buckets); // [L, L, heads]
        return rows.to_type(Placement.ComputeDtype(rows.dtype)).permute(2, 0, 1).unsqueeze(0).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Returns the table's row for a relative position, in float32 like the reference, whose rounding decides at the borders.</summary>
    /// <param name="relative">The key position minus the query position.</param>
    /// <param name="count">The number of buckets, even.</param>
    /// <param name="maxDistance">The distance from which on the last bucket of a side is shared.</param>
    public static long Bucket(long relative, long count, long maxDistance)
    {
        long side = count / 2;
        long start = relative > 0 ? side : 0;
        long distance = Math.Abs(relative);
        long near = side / 2;
        if (distance < near)
        {
            return start + distance;
        }

        float octave = MathF.Log(distance / (float)near) / (float)Math.Log(maxDistance / (double)near);
        return start + Math.Min(near + (long)(octave * (side - near)), side - 1);
    }
}
