namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// The known rating, 1 to 10, that the people of the embedded MovingShapes world would give a frame: 1 + 9 (.5 V + .2 S + .2 C + .1 P) for
/// vividness, size, cleanness and position. The aesthetic head is trained on samples of it; it is never a reward itself, so that a gain in the
/// predicted rating can be held against the truth.
/// </summary>
internal static class TrueRating
{
    private const int VividPixels = 51; // 5 % of 32 x 32

    /// <summary>frames: [N, 3, 32, 32], RGB in [0, 1] -> [N], 1..10.</summary>
    public static Tensor OfFrames(Tensor frames)
    {
        Tensors.Shapes.Require(frames, "N, 3, 32, 32");
        using DisposeScope scope = NewDisposeScope();
        Parts parts = PartsOf(frames);
        Tensor rating = 1 + 9 * (0.5 * parts.Vividness + 0.2 * parts.Size + 0.2 * parts.Cleanness + 0.1 * parts.Position);
        return rating.MoveToOuterDisposeScope();
    }

    /// <summary>The four parts in [0, 1] and the share of coloured pixels, each [N].</summary>
    internal static Parts PartsOf(Tensor frames)
    {
        (Tensor red, Tensor green, Tensor blue) = (frames.select(1, 0), frames.select(1, 1), frames.select(1, 2)); // [N, 32, 32]
        Tensor chroma = frames.amax([1]) - frames.amin([1]);
        Tensor top = chroma.flatten(1).topk(VividPixels, dim: 1).values.mean([1]);
        Tensor half = top.unsqueeze(1).unsqueeze(2) / 2;
        Tensor area = chroma.gt(half).to_type(frames.dtype).mean([1, 2]);
        Tensor vividness = (top / 0.9).clamp(max: 1);
        Tensor size = (-((area - 0.20) / 0.08).square()).exp();

        Tensor weight = (chroma - half).clamp(min: 0);
        Tensor total = weight.sum([1, 2]).clamp(min: 1e-12); // a grey frame has no centroid: its position counts as the corner, P = 0
        Tensor pixel = arange(32, dtype: frames.dtype, device: frames.device) + 0.5;
        Tensor x = (weight.sum([1]) * pixel).sum([1]) / total;
        Tensor y = (weight.sum([2]) * pixel).sum([1]) / total;
        Tensor position = (-((x - 16).square() + (y - 16).square()) / 64).exp();

        Tensor luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        Tensor dx = luma.narrow(1, 0, 31).diff(1, 2).abs(); // [N, 31, 31]
        Tensor dy = luma.narrow(2, 0, 31).diff(1, 1).abs();
        Tensor gradient = (dx + dy).flatten(1).kthvalue(481, 1).values; // the median of 31 x 31
        Tensor cleanness = (-gradient / 0.015).exp();
        return new Parts(vividness, size, cleanness, position, area);
    }

    /// <summary>V, S, C, P of the formula and the share of coloured pixels that S reads.</summary>
    internal readonly record struct Parts(Tensor Vividness, Tensor Size, Tensor Cleanness, Tensor Position, Tensor Area);
}
