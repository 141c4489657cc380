using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// x / sqrt(mean(x^2) + eps) * weight over the last axis; nothing is subtracted (Zhang and Sennrich 2019, arXiv 1910.07467). Reference: transformers,
/// <c>T5LayerNorm</c>; Open-Sora, <c>LlamaRMSNorm</c>.
/// </summary>
/// <remarks>Key <c>weight</c> [D]. The mean is taken in float32 however small x is.</remarks>
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

    /// <summary>Normalizes.</summary>
    /// <param name="x">[..., D].</param>
    /// <returns>The shape and type of x.</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor normal = PrecisionPolicy.RunWide(
            OpKind.Norm, operands => operands[0] * operands[0].Pow(2).mean([-1L], keepdim: true).Add(_eps).rsqrt(), x);
        return (normal * _weight.to_type(x.dtype)).MoveToOuterDisposeScope();
    }
}
