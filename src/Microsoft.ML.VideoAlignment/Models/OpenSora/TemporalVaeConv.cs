using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// A k x k x k convolution that uses no later frame: zeros around each image and, in time, all of them before the first. Keys <c>conv.weight</c> [out, in, k,
/// k, k] and <c>conv.bias</c>.
/// </summary>
/// <remarks>
/// Computed as a k x k convolution of images that carry the frames before them as more channels. Reference: Open-Sora, <c>CausalConv3d</c> (Yu et al. 2023,
/// arXiv 2310.05737, section 3.1).
/// </remarks>
internal sealed class CausalConv3d : nn.Module
{
    [ComponentName(Name = "conv")]
    private readonly Kernel _conv;

    private readonly long _size;
    private readonly long _stride;

    /// <summary>Creates the convolution.</summary>
    /// <param name="inChannels">Input width.</param>
    /// <param name="outChannels">Output width.</param>
    /// <param name="kernel">k.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    /// <param name="bias">Whether it has a bias.</param>
    /// <param name="stride">Stride in time; in space it is 1.</param>
    public CausalConv3d(long inChannels, long outChannels, long kernel, Placement placement, bool bias = true, long stride = 1)
        : base(nameof(CausalConv3d))
    {
        _conv = new Kernel(inChannels, outChannels, kernel, bias, placement);
        (_size, _stride) = (kernel, stride);
        RegisterComponents();
    }

    /// <summary>Convolves segments.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T', out, H, W], T' = T / stride.</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using DisposeScope scope = NewDisposeScope();
        x = PrecisionPolicy.Cast(OpKind.Product, x);
        Tensor taps = _size == 1 && _stride == 1 ? x : WithFramesBefore(x, frames);
        return FrozenProduct.Run(Convolve, Adjoint, outputs: 1, taps, _conv.Frozen, _conv.Bias?.to_type(x.dtype)).MoveToOuterDisposeScope();

        Tensor Convolve(Tensor taps, Tensor weight, Tensor? bias) => Ops.Conv(taps, Joined(weight), bias, padding: [_size / 2, _size / 2]);

        Tensor Adjoint(Tensor gradient, Tensor weight, IReadOnlyList<long> input) =>
            Ops.ConvAdjoint(gradient, Joined(weight), input, [1, 1], [_size / 2, _size / 2]);

        static Tensor Joined(Tensor weight) => weight.permute(0, 2, 1, 3, 4).flatten(1, 2); // [out, k*in, k, k]
    }

    // [B*T, C, H, W] -> [B*T', k*C, H, W]: tap d of output frame t is frame stride*t + d of the segment with its zeros in front.
    private Tensor WithFramesBefore(Tensor x, long frames)
    {
        Tensor segment = x.permute(0, 2, 3, 1).unflatten(0, [-1, frames]); // [B, T, H, W, C], as it lies in channels-last memory
        (long batch, long height, long width, long channels) = (segment.shape[0], segment.shape[2], segment.shape[3], segment.shape[4]);
        long before = _size - _stride;
        if (before > 0)
        {
            segment = cat([zeros([batch, before, height, width, channels], dtype: x.dtype, device: x.device), segment], dim: 1);
        }

        long count = ((frames + before - _size) / _stride) + 1;
        Tensor[] taps = [.. Enumerable.Range(0, (int)_size).Select(d => segment.slice(1, d, d + ((count - 1) * _stride) + 1, _stride))];
        return cat(taps, dim: 4).flatten(0, 1).permute(0, 3, 1, 2);
    }

    // Holds the keys.
    private sealed class Kernel : nn.Module
    {
        [ComponentName(Name = "weight")]
        public readonly Parameter Weight;

        [ComponentName(Name = "weight_scale")]
        public readonly Parameter? Scale;

        [ComponentName(Name = "bias")]
        public readonly Parameter? Bias;

        public Kernel(long inChannels, long outChannels, long kernel, bool bias, Placement placement)
            : base(nameof(Kernel))
        {
            Weight = placement.Matrix(outChannels, inChannels, kernel, kernel, kernel);
            Scale = placement.Scale(Weight);
            Bias = bias ? placement.Parameter(outChannels) : null;
            RegisterComponents();
        }

        public FrozenWeight Frozen => new(Weight, Scale);
    }
}
