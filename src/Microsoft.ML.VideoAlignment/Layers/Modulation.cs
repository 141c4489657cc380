using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// Adaptive LayerNorm (Peebles and Xie 2022, arXiv 2212.09748, section 3.2): shift and scale come from the time and belong to a sample or to a frame of it.
/// Tokens are [B, T, S, C]; what modulates them is [R, F, 1, C] with R = B or 1 and F = T or 1.
/// </summary>
internal static class Modulation
{
    private const double DefaultEps = 1e-6;

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

    /// <summary>Adds a table's rows to those of the time; in half precision by the wide numbers of the policy.</summary>
    /// <param name="table">[n, C].</param>
    /// <param name="time">[R, F, n*C], or [R, F, C] for all n rows alike.</param>
    /// <returns>n tensors [R, F, 1, C].</returns>
    public static Tensor[] SplitRows(Tensor table, Tensor time)
    {
        using DisposeScope scope = NewDisposeScope();
        (long count, long width) = (table.shape[0], table.shape[1]);
        Tensor wide = PrecisionPolicy.Cast(OpKind.TimeModulation, time);
        Tensor sum = PrecisionPolicy.Cast(OpKind.TimeModulation, table)
            .Add(time.shape[2] == width ? wide.unsqueeze(2) : wide.unflatten(2, [count, width])); // [R, F, n, C]
        Tensor[] rows = sum.unsqueeze(2).unbind(3);
        return [.. rows.Select(row => row.MoveToOuterDisposeScope())];
    }

    /// <summary>LayerNorm(x) (1 + scale) + shift over the last axis; the norm has no weights of its own.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="shift">[R, F, 1, C].</param>
    /// <param name="scale">[R, F, 1, C].</param>
    /// <param name="eps">Added to the variance.</param>
    /// <returns>[B, T, S, C], of the type of x, to which the modulated numbers are rounded once.</returns>
    public static Tensor Normalize(Tensor x, Tensor shift, Tensor scale, double eps = DefaultEps)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] width = [x.shape[^1]];
        Tensor gain = scale.Add(1);
        return (shift.numel() == width[0]
            ? Ops.LayerNorm(x, width, gain.flatten(), shift.flatten(), eps) // one time for all: the norm's own affine map
            : PrecisionPolicy.RunWide(
                OpKind.Norm, given => given[1].AddProduct(Ops.LayerNorm(given[0], width, null, null, eps), given[2]), x, shift, gain))
            .MoveToOuterDisposeScope();
    }

    /// <summary>x + gate * y: a block's branch, as strong as the time says.</summary>
    /// <param name="x">[B, T, S, C].</param>
    /// <param name="gate">[R, F, 1, C].</param>
    /// <param name="y">[B, T, S, C].</param>
    /// <returns>[B, T, S, C], of the type of x, to which the sum is rounded once.</returns>
    public static Tensor AddGated(Tensor x, Tensor gate, Tensor y)
    {
        using DisposeScope scope = NewDisposeScope();
        return PrecisionPolicy.Cast(OpKind.TimeModulation, x).AddProduct(gate, y).to_type(x.dtype).MoveToOuterDisposeScope();
    }
}
