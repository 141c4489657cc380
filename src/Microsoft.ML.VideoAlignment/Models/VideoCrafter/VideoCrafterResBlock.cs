using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// A residual block on frames (key <c>block</c>; see <see cref="VideoCrafterUNet.Keys"/>) and, after its sum, a temporal convolution on videos, key
/// <c>temopral_conv</c> (sic). Reference: lvdm, <c>ResBlock</c>.
/// </summary>
internal sealed class VideoCrafterResBlock : nn.Module
{
    /// <summary>Groups of every GroupNorm of the network.</summary>
    public const long Groups = 32;

    /// <summary>Eps of the norms of the block, of the temporal convolution and of the last one; transformers have 1e-6.</summary>
    public const double Eps = 1e-5;

    [ComponentName(Name = "block")]
    private readonly ResnetBlock2D _block;

    [ComponentName(Name = "temopral_conv")]
    private readonly TemporalConvLayer? _temporalConv;

    public VideoCrafterResBlock(long inChannels, long outChannels, long embeddingWidth, bool temporalConvolution, Placement placement)
        : base(nameof(VideoCrafterResBlock))
    {
        _block = new ResnetBlock2D(inChannels, outChannels, embeddingWidth, Groups, Eps, "silu", placement);
        _temporalConv = temporalConvolution ? new TemporalConvLayer(outChannels, Groups, placement) : null;
        RegisterComponents();
    }

    /// <summary>Applies the block.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="emb">[R, E], R divides B*T.</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T, out, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor emb, long frames)
    {
        Tensor y = _block.Forward(x, emb);
        if (_temporalConv is null)
        {
            return y;
        }

        using Tensor images = y;
        return _temporalConv.Forward(images, frames);
    }
}
