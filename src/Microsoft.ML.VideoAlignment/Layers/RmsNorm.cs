using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x / sqrt(mean(x^2) + eps) * weight over the last axis; nothing is subtracted (Zhang and Sennrich 2019, arXiv 1910.07467). The mean is taken in float32
/// however small x is. Key <c>weight</c> [D]. Reference: transformers, <c>T5LayerNorm</c>; Open-Sora, <c>LlamaRMSNorm</c>.
/// </summary>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    private readonly double _eps;

    public RmsNorm(long features, double eps, Placement placement)
        : base(nameof(RmsNorm))
    {
        _weight = placement.Parameter(features);
        _eps = eps;
        RegisterComponents();
    }

    /// <summary>x: [..., D] -> the same shape and dtype.</summary>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor wide = x.to_type(Placement.Computing(x.dtype));
        Tensor scale = wide.square().mean([-1L], keepdim: true).Add(_eps).rsqrt();
        return ((wide * scale).to_type(x.dtype) * _weight.to_type(x.dtype)).MoveToOuterDisposeScope();
    }
}
