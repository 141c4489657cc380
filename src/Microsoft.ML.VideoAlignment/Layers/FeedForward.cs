using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// GEGLU feed-forward (Shazeer 2020, arXiv 2002.05202): Linear to 2 x 4 D, the first half times exact GELU of the second, Linear back. Reference: diffusers,
/// <c>FeedForward</c>.
/// </summary>
/// <remarks>Keys <c>net.0.proj</c> and <c>net.2</c>.</remarks>
internal sealed class FeedForward : nn.Module
{
    private const int Widening = 4;

    [ComponentName(Name = "net")]
    private readonly FeedForwardLayers _net;

    public FeedForward(long width, Placement placement)
        : base(nameof(FeedForward))
    {
        _net = new FeedForwardLayers(width, 2 * Widening * width, Widening * width, width, placement);
        RegisterComponents();
    }

    /// <summary>residual + feed-forward of x.</summary>
    /// <param name="x">[..., D].</param>
    /// <param name="residual">[..., D].</param>
    /// <returns>[..., D].</returns>
    public Tensor Forward(Tensor x, Tensor residual)
    {
        using DisposeScope scope = NewDisposeScope();
        if (CpuKernels.Fits(x))
        {
            (Tensor w1, Tensor b1) = _net.Wide.Proj.MergedWeight(x.dtype);
            (Tensor w2, Tensor b2) = _net.Back.MergedWeight(x.dtype);
            return GegluKernel.Run(x, residual, w1, b1, w2, b2).MoveToOuterDisposeScope();
        }

        Tensor[] halves = _net.Wide.Proj.forward(x).chunk(2, dim: -1);
        Tensor gated = halves[0] * nn.functional.gelu(halves[1]);
        return _net.Back.ForwardAdded(gated, residual).MoveToOuterDisposeScope();
    }
}
