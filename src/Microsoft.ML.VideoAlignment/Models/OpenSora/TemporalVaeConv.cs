using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>A causal k x k x k convolution with keys <c>conv.weight</c> and <c>conv.bias</c>. Reference: Open-Sora, <c>CausalConv3d</c>.</summary>
internal sealed class TemporalVaeConv : nn.Module
{
    [ComponentName(Name = "conv")]
    private readonly CausalConv3d _conv;

    /// <summary>Creates the convolution.</summary>
    /// <param name="inChannels">Input width.</param>
    /// <param name="outChannels">Output width.</param>
    /// <param name="kernel">k.</param>
    /// <param name="placement">Where the weights are stored, and in what precision.</param>
    /// <param name="bias">Whether it has a bias.</param>
    /// <param name="stride">Stride in time; in space it is 1.</param>
    public TemporalVaeConv(long inChannels, long outChannels, long kernel, Placement placement, bool bias = true, long stride = 1)
        : base(nameof(TemporalVaeConv))
    {
        _conv = new CausalConv3d(inChannels, outChannels, (kernel, kernel), placement, bias, stride);
        RegisterComponents();
    }

    /// <summary>Convolves segments.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="frames">T.</param>
    /// <returns>[B*T', out, H, W], T' = T / stride.</returns>
    public Tensor Forward(Tensor x, long frames)
    {
        using CausalPass pass = CausalPass.Whole(x.shape[0] / frames);
        return _conv.Forward(x, pass);
    }
}
