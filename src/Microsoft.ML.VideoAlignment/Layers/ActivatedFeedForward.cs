using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// Linear, activation, Linear. Reference: diffusers, <c>FeedForward</c> with an activation that does not gate; <see cref="FeedForward"/> is the one that does.
/// </summary>
/// <remarks>Keys <c>net.0.proj</c> and <c>net.2</c>.</remarks>
internal sealed class ActivatedFeedForward : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "net")]
    private readonly FeedForwardLayers _net;

    private readonly Activation _activation;

    /// <summary>Makes the layers.</summary>
    /// <param name="inputs">D, width of the input.</param>
    /// <param name="hidden">Width between the layers.</param>
    /// <param name="outputs">E, width of the output.</param>
    /// <param name="activation">What stands between them.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public ActivatedFeedForward(long inputs, long hidden, long outputs, Activation activation, Placement placement)
        : base(nameof(ActivatedFeedForward))
    {
        _net = new FeedForwardLayers(inputs, hidden, hidden, outputs, placement);
        _activation = activation;
        RegisterComponents();
    }

    /// <summary>Applies the three.</summary>
    /// <param name="x">[..., D].</param>
    /// <returns>[..., E].</returns>
    public override Tensor forward(Tensor x)
    {
        using Tensor wide = _net.Wide.Proj.forward(x);
        using Tensor active = _activation.Apply(wide);
        return _net.Back.forward(active);
    }
}
