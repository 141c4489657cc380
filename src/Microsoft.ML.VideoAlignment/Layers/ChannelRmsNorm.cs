using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x / max(|x|, 1e-12) * sqrt(C) * gamma over the channels of each pixel. Reference: diffusers, <c>WanRMS_norm</c>.
/// </summary>
/// <remarks>Key <c>gamma</c> [C, 1, ...]. Where |x| is below the bound the norm is linear, so a pixel of zeros has a finite gradient.</remarks>
internal sealed class ChannelRmsNorm : nn.Module
{
    // (1e-12)^2: the bound of the sum of squares.
    private const double LeastSquare = 1e-24;

    [ComponentName(Name = "gamma")]
    private readonly Parameter _gamma;

    /// <summary>Makes the norm.</summary>
    /// <param name="channels">C.</param>
    /// <param name="axes">Axes of size 1 that follow the channels in gamma's shape: 3 for videos, 2 for images.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public ChannelRmsNorm(long channels, int axes, Placement placement)
        : base(nameof(ChannelRmsNorm))
    {
        _gamma = placement.Parameter([channels, .. Enumerable.Repeat(1L, axes)]);
        RegisterComponents();
    }

    /// <summary>Normalizes.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <returns>The shape and type of x.</returns>
    public Tensor Forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor unit = PrecisionPolicy.RunWide(OpKind.Norm, static operands => Unit(operands[0]), x);
        Tensor gain = _gamma.to_type(x.dtype).view(1, -1, 1, 1).Mul(Math.Sqrt(x.shape[1]));
        return (unit * gain).MoveToOuterDisposeScope();
    }

    /// <summary>The activation of the normalized x.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="activation">The activation.</param>
    /// <returns>The shape and type of x.</returns>
    public Tensor ForwardActivated(Tensor x, Activation activation)
    {
        using Tensor normal = Forward(x);
        return activation.Apply(normal);
    }

    private static Tensor Unit(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor square = x.Pow(2).sum(1, keepdim: true); // [N, 1, H, W]
        return (x * Ops.Clamp(square, LeastSquare, double.PositiveInfinity).rsqrt()).MoveToOuterDisposeScope();
    }
}
