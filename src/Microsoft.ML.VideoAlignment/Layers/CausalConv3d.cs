using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// A convolution over time and space that uses no later frame: zeros around each image and, in time, all of them before the first. Keys <c>weight</c> [out, in,
/// t, k, k] and <c>bias</c> [out].
/// </summary>
/// <remarks>
/// Computed as a k x k convolution of images that carry the frames before them as more channels. Reference: Yu et al. 2023, arXiv 2310.05737, section 3.1.
/// </remarks>
internal sealed class CausalConv3d : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "weight_scale")]
    private readonly Parameter? _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;

    private readonly long _stride;
    private readonly bool _zeros;

    /// <summary>Creates the convolution.</summary>
    /// <param name="inChannels">Input width.</param>
    /// <param name="outChannels">Output width.</param>
    /// <param name="kernel">t along time, k along height and width.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    /// <param name="bias">Whether it has a bias.</param>
    /// <param name="stride">Stride in time; in space it is 1.</param>
    /// <param name="zeros">Whether zeros stand before the video's first frame; false: the first output is of the first t frames.</param>
    public CausalConv3d(
        long inChannels, long outChannels, (long Time, long Space) kernel, Placement placement, bool bias = true, long stride = 1, bool zeros = true)
        : base(nameof(CausalConv3d))
    {
        _weight = placement.Matrix(outChannels, inChannels, kernel.Time, kernel.Space, kernel.Space);
        _scale = placement.Scale(_weight);
        _bias = bias ? placement.Parameter(outChannels) : null;
        (_stride, _zeros) = (stride, zeros);
        RegisterComponents();
    }

    /// <summary>The convolution as a block of a causal network.</summary>
    public CausalBlock Block => new(LooksBack ? 1 : 0, Forward);

    private long Time => _weight.shape[2];

    private bool LooksBack => Time > _stride;

    /// <summary>Convolves a segment.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="pass">The pass over the segment.</param>
    /// <returns>[B*T', out, H, W], T' = T / stride.</returns>
    public Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        x = PrecisionPolicy.Cast(OpKind.Product, x);
        if (Time == 1 && _stride == 1)
        {
            return Multiply(x).MoveToOuterDisposeScope();
        }

        return CausalPass.ToImages(ForwardSegments(pass.ToSegments(x), pass)).MoveToOuterDisposeScope();
    }

    /// <summary>Convolves a segment, channels last; of no frame it makes none.</summary>
    /// <param name="segments">[B, T, H, W, in].</param>
    /// <param name="pass">The pass over the segment.</param>
    /// <returns>[B, T', H, W, out].</returns>
    public Tensor ForwardSegments(Tensor segments, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        segments = PrecisionPolicy.Cast(OpKind.Product, segments);
        Tensor frames = LooksBack ? pass.WithPast(segments, Time - _stride, _zeros) : segments;
        long count = frames.shape[1] < Time ? 0 : ((frames.shape[1] - Time) / _stride) + 1;
        if (count == 0)
        {
            return segments.new_empty([.. segments.shape[..1], 0, .. segments.shape[2..4], _weight.shape[0]]).MoveToOuterDisposeScope();
        }

        // Tap d of output frame t is frame stride*t + d.
        Tensor[] taps = [.. Enumerable.Range(0, (int)Time).Select(d => frames.slice(1, d, d + ((count - 1) * _stride) + 1, _stride))];
        Tensor y = Multiply(CausalPass.ToImages(cat(taps, dim: 4)));
        return y.permute(0, 2, 3, 1).unflatten(0, [segments.shape[0], count]).MoveToOuterDisposeScope();
    }

    // [N, t*in, H, W] -> [N, out, H, W].
    private Tensor Multiply(Tensor taps)
    {
        long[] padding = [_weight.shape[3] / 2, _weight.shape[4] / 2];
        return FrozenProduct.Run(Convolve, Adjoint, outputs: 1, taps, new FrozenWeight(_weight, _scale), _bias?.to_type(taps.dtype));

        Tensor Convolve(Tensor taps, Tensor weight, Tensor? bias) => Ops.Conv(taps, Joined(weight), bias, padding: padding);

        Tensor Adjoint(Tensor gradient, Tensor weight, IReadOnlyList<long> input) => Ops.ConvAdjoint(gradient, Joined(weight), input, [1, 1], padding);

        static Tensor Joined(Tensor weight) => weight.permute(0, 2, 1, 3, 4).flatten(1, 2); // [out, t*in, k, k]
    }
}
