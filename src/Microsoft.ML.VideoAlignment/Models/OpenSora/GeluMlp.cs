using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>Linear, GELU by tanh, Linear: keys <c>fc1</c> and <c>fc2</c>. Reference: timm, <c>Mlp</c> as Open-Sora builds it.</summary>
internal sealed class GeluMlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "fc1")]
    private readonly Linear _fc1;

    [ComponentName(Name = "fc2")]
    private readonly Linear _fc2;

    public GeluMlp(long inputs, long hidden, long outputs, Placement placement)
        : base(nameof(GeluMlp))
    {
        _fc1 = new Linear(inputs, hidden, placement);
        _fc2 = new Linear(hidden, outputs, placement);
        RegisterComponents();
    }

    /// <summary>Applies the three layers.</summary>
    /// <param name="x">[..., in].</param>
    /// <returns>[..., out].</returns>
    public override Tensor forward(Tensor x)
    {
        using Tensor wide = _fc1.forward(x);
        using Tensor active = Activation.GeluTanh.Apply(wide);
        return _fc2.forward(active);
    }
}
