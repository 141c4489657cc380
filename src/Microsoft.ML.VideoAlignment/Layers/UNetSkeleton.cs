using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>A level of a UNet: layers at one size, then the change of size, which may be a layer too.</summary>
internal interface IUNetLevel
{
    /// <summary>How many layers.</summary>
    int Layers { get; }

    /// <summary>Halves the size after the layers; null: the level keeps its size, or its last layer halves it.</summary>
    Downsample2D? Downsampler { get; }

    /// <summary>Enlarges after the layers; null: the level keeps its size, or its last layer enlarges.</summary>
    Upsample2D? Upsampler { get; }

    /// <summary>Runs a layer.</summary>
    /// <param name="index">Its index, from 0.</param>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="temb">[1 or B, E].</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, out, H, W].</returns>
    Tensor Layer(int index, Tensor x, Tensor temb, Tensor context, long frames);
}

/// <summary>
/// The way through a UNet whose upward half takes, layer by layer, what the downward half made, from the end: the widths of its layers, and the walk itself.
/// What a level does is the family's own.
/// </summary>
internal static class UNetSkeleton
{
    /// <summary>Input widths of the layers, level by level: down from the finest, up from the coarsest, with the skips'.</summary>
    /// <param name="first">Channels after the first convolution, which are the first skip's.</param>
    /// <param name="widths">Channels of each level, finest first.</param>
    /// <param name="layers">Layers of each level on the way down; one more on the way up.</param>
    public static (IReadOnlyList<IReadOnlyList<long>> Down, IReadOnlyList<IReadOnlyList<long>> Up) ComputeWidths(
        long first, IReadOnlyList<long> widths, IReadOnlyList<long> layers)
    {
        var skips = new Stack<long>([first]);
        List<IReadOnlyList<long>> down = [], up = [];
        long width = first;
        for (int level = 0; level < widths.Count; level++)
        {
            var inChannels = new List<long>();
            for (int layer = 0; layer < layers[level]; layer++)
            {
                inChannels.Add(width);
                width = widths[level];
                skips.Push(width);
            }

            if (level < widths.Count - 1)
            {
                skips.Push(width);
            }

            down.Add(inChannels);
        }

        for (int level = widths.Count - 1; level >= 0; level--)
        {
            var inChannels = new List<long>();
            for (int layer = 0; layer <= layers[level]; layer++)
            {
                inChannels.Add(width + skips.Pop());
                width = widths[level];
            }

            up.Add(inChannels);
        }

        return (down, up);
    }

    /// <summary>
    /// Runs down, through the middle and up again, each layer as a block of <see cref="Recompute"/>. The caller's scope owns what is made on the way.
    /// </summary>
    /// <param name="x">After the first convolution, [B*T, C, H, W]; it is the first skip.</param>
    /// <param name="temb">[1 or B, E].</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="frames">T.</param>
    /// <param name="down">Levels, finest first.</param>
    /// <param name="middle">(x, temb, context, frames) -> the shape of x.</param>
    /// <param name="up">Levels, coarsest first.</param>
    public static Tensor Run(
        Tensor x, Tensor temb, Tensor context, long frames, IEnumerable<IUNetLevel> down, Func<Tensor, Tensor, Tensor, long, Tensor> middle,
        IEnumerable<IUNetLevel> up)
    {
        var skips = new Stack<Tensor>([x]);
        foreach (IUNetLevel level in down)
        {
            for (int layer = 0; layer < level.Layers; layer++)
            {
                int index = layer;
                x = Recompute.Run(inputs => level.Layer(index, inputs[0], inputs[1], inputs[2], frames), x, temb, context);
                skips.Push(x);
            }

            if (level.Downsampler is { } downsampler)
            {
                x = downsampler.forward(x);
                skips.Push(x);
            }
        }

        x = Recompute.Run(inputs => middle(inputs[0], inputs[1], inputs[2], frames), x, temb, context);
        foreach (IUNetLevel level in up)
        {
            for (int layer = 0; layer < level.Layers; layer++)
            {
                int index = layer;
                using Tensor hidden = x;
                using Tensor skip = skips.Pop();
                x = Recompute.Run(inputs => ConcatSkip(level, index, inputs, frames), hidden, skip, temb, context);
            }

            if (level.Upsampler is { } upsampler)
            {
                // The size is that of the skip to come: twice this one's, except where halving had to round.
                using Tensor hidden = x;
                x = upsampler.Forward(hidden, skips.Peek().shape[2], skips.Peek().shape[3]);
            }
        }

        return x;
    }

    private static Tensor ConcatSkip(IUNetLevel level, int index, IReadOnlyList<Tensor> inputs, long frames)
    {
        using Tensor joined = cat([inputs[0], inputs[1]], dim: 1);
        return level.Layer(index, joined, inputs[2], inputs[3], frames);
    }
}
