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
    private readonly Net _net;

    public FeedForward(long width, Placement placement)
        : base(nameof(FeedForward))
    {
        _net = new Net(width, placement);
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

    /// <summary>Carries the names: 1 is the reference's dropout, which has no weights.</summary>
    private sealed class Net : nn.Module
    {
        [ComponentName(Name = "0")]
        public readonly Projection Wide;

        [ComponentName(Name = "2")]
        public readonly Linear Back;

        public Net(long width, Placement placement)
            : base(nameof(Net))
        {
            Wide = new Projection(width, placement);
            Back = new Linear(Widening * width, width, placement);
            RegisterComponents();
        }
    }

    private sealed class Projection : nn.Module
    {
        [ComponentName(Name = "proj")]
        public readonly Linear Proj;

        public Projection(long width, Placement placement)
            : base(nameof(Projection))
        {
            Proj = new Linear(width, 2 * Widening * width, placement);
            RegisterComponents();
        }
    }
}
