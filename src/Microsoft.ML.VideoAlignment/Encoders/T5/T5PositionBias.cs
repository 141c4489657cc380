using Microsoft.ML.VideoAlignment.Tensors;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// What T5 has in place of position embeddings: a number per head for every bucket of (key position - query position). Near distances have a bucket
/// each, farther ones share logarithmic buckets; each direction has half of the table [buckets, heads].
/// </summary>
internal static class T5PositionBias
{
    /// <summary>The table's entries for rows of <paramref name="length"/> tokens: [1, heads, L, L], with the table's graph.</summary>
    public static Tensor Compute(Embedding table, long length, long maxDistance)
    {
        using DisposeScope scope = NewDisposeScope();
        long count = table.Weight.shape[0];
        long[] buckets = new long[length * length];
        for (long query = 0, at = 0; query < length; query++)
        {
            for (long key = 0; key < length; key++)
            {
                buckets[at++] = Bucket(key - query, count, maxDistance);
            }
        }

        Tensor rows = table.call(tensor(buckets, device: table.Weight.device)); // [L*L, heads]
        return rows.to_type(Placement.Computing(rows.dtype)).view(length, length, -1).permute(2, 0, 1).unsqueeze(0).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The row of the table for a relative position; in float32 as the reference, whose rounding decides at the borders.</summary>
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
