using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Denoisers.OpenSora;

/// <summary>
/// Adaptive LayerNorm (Peebles and Xie 2022, arXiv 2212.09748, section 3.2): shift and scale come from the time and belong to a sample or to a frame of
/// it. Tokens are [B, T, S, C]; what modulates them is [R, F, 1, C] with R = B or 1 and F = T or 1.
/// </summary>
internal static class Modulation
{
    private const double Eps = 1e-6;

    /// <summary>
    /// now, clean: [R, C]; keeps: [B, T], not 0 where a frame is generated, 0 where it is given and stands at time 0; null: all are generated
    /// -> [R or B, 1 or T, C].
    /// </summary>
    public static Tensor PerFrame(Tensor now, Tensor? clean, Tensor? keeps)
    {
        if (clean is null || keeps is null)
        {
            return now.unsqueeze(1);
        }

        using DisposeScope scope = NewDisposeScope();
        return where(keeps.NotEqualTo(0).unsqueeze(-1), now.unsqueeze(1), clean.unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>The rows of table [n, C] plus those of time [R, F, n*C] (or [R, F, C], the same for all n): n tensors [R, F, 1, C].</summary>
    public static Tensor[] Rows(Tensor table, Tensor time)
    {
        using DisposeScope scope = NewDisposeScope();
        (long count, long width) = (table.shape[0], table.shape[1]);
        Tensor sum = table.to_type(time.dtype).Add(time.shape[2] == width ? time.unsqueeze(2) : time.unflatten(2, [count, width])); // [R, F, n, C]
        Tensor[] rows = sum.unsqueeze(2).unbind(3);
        return [.. rows.Select(row => row.MoveToOuterDisposeScope())];
    }

    /// <summary>LayerNorm(x) (1 + scale) + shift over the last axis; the norm has no weights of its own.</summary>
    public static Tensor Norm(Tensor x, Tensor shift, Tensor scale)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] width = [x.shape[^1]];
        Tensor gain = scale.Add(1);
        return (shift.numel() == width[0]
            ? Ops.LayerNorm(x, width, gain.flatten(), shift.flatten(), Eps) // one time for all: the norm's own affine map
            : shift.AddProduct(Ops.LayerNorm(x, width, null, null, Eps), gain)).MoveToOuterDisposeScope();
    }
}
