using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// The blocks of one level, which lvdm numbers through all levels. Its change of size is one of them on the way down, and the end of the last one on the way
/// up.
/// </summary>
/// <param name="blocks">The blocks; they belong to the network.</param>
internal sealed class VideoCrafterLevel(IReadOnlyList<VideoCrafterBlock> blocks) : IUNetLevel
{
    /// <summary>The blocks, for the network's list.</summary>
    public IReadOnlyList<VideoCrafterBlock> Blocks => blocks;

    public int Layers => blocks.Count;

    public Downsample2D? Downsampler => null;

    public Upsample2D? Upsampler => null;

    /// <summary>Creates a level of the way down.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="level">The level, 0 for the finest.</param>
    /// <param name="inChannels">Input width of each block.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public static VideoCrafterLevel CreateDown(VideoCrafterUNetConfig config, int level, IReadOnlyList<long> inChannels, Placement placement)
    {
        long width = config.WidthAt(level);
        return new VideoCrafterLevel(
        [
            .. inChannels.Select(channels => new VideoCrafterBlock(
                [.. VideoCrafterBlock.CreateLayers(config, channels, width, config.HasAttentionAt(level), placement)])),
            .. level < config.Levels - 1 ? [new VideoCrafterBlock(new Downsample2D(width, padding: 1, placement))] : Array.Empty<VideoCrafterBlock>(),
        ]);
    }

    /// <summary>Creates a level of the way up.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="level">The level, 0 for the finest.</param>
    /// <param name="inChannels">Input width of each block, the skip's included.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public static VideoCrafterLevel CreateUp(VideoCrafterUNetConfig config, int level, IReadOnlyList<long> inChannels, Placement placement)
    {
        long width = config.WidthAt(level);
        return new VideoCrafterLevel([.. inChannels.Select((channels, block) => new VideoCrafterBlock(
        [
            .. VideoCrafterBlock.CreateLayers(config, channels, width, config.HasAttentionAt(level), placement),
            .. level > 0 && block == inChannels.Count - 1 ? [new Upsample2D(width, placement)] : Array.Empty<nn.Module>(),
        ]))]);
    }

    /// <inheritdoc/>
    public Tensor Layer(int index, Tensor x, Tensor temb, Tensor context, long frames) => blocks[index].Forward(x, temb, context, frames);
}
