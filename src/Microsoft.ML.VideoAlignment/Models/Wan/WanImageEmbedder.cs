using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// Brings the image encoder's states to the network's width: norm, Linear, exact GELU, Linear, norm. Reference: diffusers, <c>WanImageEmbedding</c>.
/// </summary>
/// <remarks>
/// Two images are joined and given learned positions first. Keys <c>norm1</c>, <c>ff.net.0.proj</c>, <c>ff.net.2</c>, <c>norm2</c>; for two images
/// <c>pos_embed</c> [1, 2n, E].
/// </remarks>
internal sealed class WanImageEmbedder : nn.Module
{
    private const double Eps = 1e-5;

    [ComponentName(Name = "pos_embed")]
    private readonly Parameter? _positions;

    [ComponentName(Name = "norm1")]
    private readonly LayerNorm _norm1;

    [ComponentName(Name = "ff")]
    private readonly ActivatedFeedForward _feedForward;

    [ComponentName(Name = "norm2")]
    private readonly LayerNorm _norm2;

    private readonly long _imageWidth;

    /// <summary>Makes the layers.</summary>
    /// <param name="config">The configuration of a network with image branch.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanImageEmbedder(WanTransformerConfig config, Placement placement)
        : base(nameof(WanImageEmbedder))
    {
        _imageWidth = config.ImageWidth!.Value;
        _positions = config.ImagePositions is { } positions ? placement.Parameter(1, positions, _imageWidth) : null;
        _norm1 = new LayerNorm(_imageWidth, Eps, placement.Wide);
        _feedForward = new ActivatedFeedForward(_imageWidth, _imageWidth, config.Width, Activation.Gelu, placement);
        _norm2 = new LayerNorm(config.Width, Eps, placement.Wide);
        RegisterComponents();
    }

    /// <summary>Embeds the states of one image for each video, or of two.</summary>
    /// <param name="states">[B, n, E]; where the network knows a first and a last image [2 B, n, E], in turn.</param>
    /// <param name="batch">B.</param>
    /// <returns>[B, n, D], or [B, 2n, D].</returns>
    /// <exception cref="ArgumentException">The states have another shape.</exception>
    public Tensor Forward(Tensor states, long batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = states;
        if (_positions is not null)
        {
            Shapes.Require(states, $"{2 * batch}, {_positions.shape[1] / 2}, {_imageWidth}");
            image = states.reshape(batch, _positions.shape[1], _imageWidth).Add(_positions.to_type(states.dtype));
        }
        else
        {
            Shapes.Require(states, $"{batch}, n, {_imageWidth}");
        }

        return _norm2.forward(_feedForward.forward(_norm1.forward(image))).MoveToOuterDisposeScope();
    }
}
