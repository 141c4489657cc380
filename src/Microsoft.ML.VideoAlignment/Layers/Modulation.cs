using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// Adaptive LayerNorm (Peebles and Xie 2022, arXiv 2212.09748, section 3.2): shift and scale come from the time and belong to a sample or to a frame of it.
/// Tokens are [B, T, S, C]; what modulates them is [R, F, 1, C] with R = B or 1 and F = T or 1.
/// </summary>
internal static class Modulation
{
    private const double Eps = 1e-6;

    /// <summary>Selects the time of each frame: the present one, or time 0 for given frames.</summary>
    /// <param name="now">[R, C].</param>
    /// <param name="clean">Time 0, [R, C]; null: no frame is given.</param>
    /// <param name="generated">[B, T], 0 where a frame is given, else not 0; null: all frames are generated.</param>
    /// <returns>[R or B, 1 or T, C].</returns>
    public static Tensor SelectPerFrame(Tensor now, Tensor? clean, Tensor? generated)
    {
        if (clean is null || generated is null)
        {
            return now.unsqueeze(1);
        }

        using DisposeScope scope = NewDisposeScope();
        return where(generated.NotEqualTo(0).unsqueeze(-1), now.unsqueeze(1), clean.unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Adds a table's rows to those of the time.</summary>
    /// <param name="table">[n, C].</param>
    /// <param name="time">[R, F, n*C], or [R, F, C] for all n rows alike.</param>
    /// <returns>n tensors [R, F, 1, C].</returns>
    public static Tensor[] SplitRows(Tensor table, Tensor time)
    {
        using DisposeScope scope = NewDisposeScope();
        (long count, long width) = (table.shape[0], table.shape[1]);
        Tensor sum = table.to_type(time.dtype).Add(time.shape[2] == width ? time.unsqueeze(2) : time.unflatten(2, [count, width])); // [R, F, n, C]
        Tensor[] rows = sum.unsqueeze(2).unbind(3);
        return [.. rows.Select(row => row.MoveToOuterDisposeScope())];
    }

    /// <summary>LayerNorm(x) (1 + scale) + shift over the last axis; the norm has no weights of its own.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="shift">[R, F, 1, C].</param>
    /// <param name="scale">[R, F, 1, C].</param>
    /// <returns>[B, T, S, C].</returns>
    public static Tensor Normalize(Tensor x, Tensor shift, Tensor scale)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] width = [x.shape[^1]];
        Tensor gain = scale.Add(1);
        return (shift.numel() == width[0]
            ? Ops.LayerNorm(x, width, gain.flatten(), shift.flatten(), Eps) // one time for all: the norm's own affine map
            : shift.AddProduct(Ops.LayerNorm(x, width, null, null, Eps), gain)).MoveToOuterDisposeScope();
    }
}
