using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>
/// The known rating, 1 to 10, of a frame of the MovingShapes world: 1 + 9 (.5 V + .2 S + .2 C + .1 P) for vividness, size, cleanness and position. The
/// aesthetic head is trained on samples of it; nothing is aligned to it, so that a gain in the predicted rating can be compared with the truth.
/// </summary>
internal static class TrueRating
{
    private const int VividPixels = 51; // 5 % of 32 x 32

    /// <summary>Rates frames.</summary>
    /// <param name="frames">[N, 3, 32, 32], RGB in [0, 1].</param>
    /// <returns>[N], 1 .. 10.</returns>
    public static Tensor Rate(Tensor frames)
    {
        Shapes.Require(frames, "N, 3, 32, 32");
        using DisposeScope scope = NewDisposeScope();
        Parts parts = Measure(frames);
        Tensor rating = parts.Vividness.Mul(0.5).Add(parts.Size.Mul(0.2)).Add(parts.Cleanness.Mul(0.2)).Add(parts.Position.Mul(0.1)).Mul(9).Add(1);
        return rating.MoveToOuterDisposeScope();
    }

    /// <summary>Measures the parts of the rating.</summary>
    /// <param name="frames">[N, 3, 32, 32], RGB in [0, 1].</param>
    internal static Parts Measure(Tensor frames)
    {
        (Tensor red, Tensor green, Tensor blue) = (frames.select(1, 0), frames.select(1, 1), frames.select(1, 2)); // [N, 32, 32]
        Tensor chroma = frames.amax([1]) - frames.amin([1]);
        Tensor top = chroma.flatten(1).topk(VividPixels, dim: 1).values.mean([1]);
        Tensor half = top.unsqueeze(1).unsqueeze(2).Div(2);
        Tensor area = chroma.gt(half).to_type(frames.dtype).mean([1, 2]);
        Tensor vividness = top.Div(0.9).Clamp(most: 1);
        Tensor size = (-area.Sub(0.20).Div(0.08).Pow(2)).exp();

        Tensor weight = (chroma - half).Clamp(least: 0);
        Tensor total = weight.sum([1, 2]).Clamp(least: 1e-12); // a gray frame has no centroid: its position counts as the corner, P = 0
        Tensor pixel = ScalarOps.Range(32, dtype: frames.dtype, device: frames.device).Add(0.5);
        Tensor x = (weight.sum([1]) * pixel).sum([1]) / total;
        Tensor y = (weight.sum([2]) * pixel).sum([1]) / total;
        Tensor position = (-x.Sub(16).Pow(2).Add(y.Sub(16).Pow(2))).Div(64).exp();

        Tensor luma = red.Mul(0.299).Add(green.Mul(0.587)).Add(blue.Mul(0.114));
        Tensor dx = luma.narrow(1, 0, 31).diff(1, 2).abs(); // [N, 31, 31]
        Tensor dy = luma.narrow(2, 0, 31).diff(1, 1).abs();
        Tensor gradient = dx.Add(dy).flatten(1).kthvalue(481, 1).values; // the median of 31 x 31
        Tensor cleanness = (-gradient).Div(0.015).exp();
        return new Parts(vividness, size, cleanness, position, area);
    }

    /// <summary>V, S, C, P of the formula in [0, 1] and the share of colored pixels that S is made of, each [N].</summary>
    /// <param name="Vividness">V: how saturated the most colored pixels are.</param>
    /// <param name="Size">S: how near the share of colored pixels is to 0.2.</param>
    /// <param name="Cleanness">C: how flat the frame is.</param>
    /// <param name="Position">P: how near the middle the colored pixels are.</param>
    /// <param name="Area">The share of colored pixels.</param>
    internal readonly record struct Parts(Tensor Vividness, Tensor Size, Tensor Cleanness, Tensor Position, Tensor Area);
}
