using System.Globalization;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>Layers one after another, each called with the inputs it needs; keys are their numbers. Reference: lvdm, <c>TimestepEmbedSequential</c>.</summary>
internal sealed class VideoCrafterBlock : nn.Module
{
    private readonly nn.Module[] _layers;

    public VideoCrafterBlock(params nn.Module[] layers)
        : base(nameof(VideoCrafterBlock))
    {
        _layers = layers;
        for (int i = 0; i < layers.Length; i++)
        {
            register_module(i.ToString(CultureInfo.InvariantCulture), layers[i]);
        }
    }

    /// <summary>Creates a residual block and, where the level has attention, the transformers.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="inChannels">Input width.</param>
    /// <param name="outChannels">Output width.</param>
    /// <param name="attention">Whether the level has attention.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public static IEnumerable<nn.Module> CreateLayers(VideoCrafterUNetConfig config, long inChannels, long outChannels, bool attention, Placement placement)
    {
        yield return Residual(config, inChannels, outChannels, placement);
        foreach (nn.Module transformer in attention ? Transformers(config, outChannels, placement) : [])
        {
            yield return transformer;
        }
    }

    /// <summary>Creates the middle: residual block, transformers, residual block.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="channels">Width.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    public static VideoCrafterBlock CreateMiddle(VideoCrafterUNetConfig config, long channels, Placement placement) =>
        new([.. CreateLayers(config, channels, channels, attention: true, placement), Residual(config, channels, channels, placement)]);

    /// <summary>Applies the layers.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="emb">[1 or B, E].</param>
    /// <param name="context">[B, L, D].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, out, H', W'].</returns>
    public Tensor Forward(Tensor x, Tensor emb, Tensor context, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (nn.Module layer in _layers)
        {
            x = layer switch
            {
                VideoCrafterResBlock residual => residual.Forward(x, emb, frames),
                SpatialTransformer inSpace => inSpace.Forward(x, context),
                TemporalTransformer overTime => overTime.Forward(x, frames),
                Upsample2D larger => larger.Forward(x, 2 * x.shape[2], 2 * x.shape[3]),
                nn.Module<Tensor, Tensor> plain => plain.call(x),
                _ => throw new InvalidOperationException($"{layer.GetName()} is not a layer of this network."),
            };
        }

        return x.MoveToOuterDisposeScope();
    }

    private static VideoCrafterResBlock Residual(VideoCrafterUNetConfig config, long inChannels, long outChannels, Placement placement) =>
        new(inChannels, outChannels, 4 * config.ModelChannels, config.TemporalConvolution, placement);

    private static IEnumerable<nn.Module> Transformers(VideoCrafterUNetConfig config, long channels, Placement placement)
    {
        (long heads, long headSize) = config.HeadsAt(channels);
        yield return new SpatialTransformer(
            channels, heads, headSize, config.ContextWidth, VideoCrafterResBlock.Groups, placement, config.UseLinear, config.TransformerDepth);
        if (config.TemporalAttention)
        {
            yield return new TemporalTransformer(
                channels, heads, headSize, VideoCrafterResBlock.Groups, placement, config.TemporalDepth, relativePositions: config.RelativePositions);
        }
    }
}
