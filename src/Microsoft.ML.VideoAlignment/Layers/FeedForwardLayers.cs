using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>The two linear layers of diffusers' <c>FeedForward</c>, which carry its keys <c>0.proj</c> and <c>2</c>; 1 is a dropout without weights.</summary>
internal sealed class FeedForwardLayers : nn.Module
{
    [ComponentName(Name = "0")]
    public readonly Projection Wide;

    [ComponentName(Name = "2")]
    public readonly Linear Back;

    /// <summary>Makes the layers.</summary>
    /// <param name="inputs">Width of the input.</param>
    /// <param name="projected">Width of the first layer's output.</param>
    /// <param name="hidden">Width of the second layer's input: that after the activation, which may gate one half by the other.</param>
    /// <param name="outputs">Width of the output.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public FeedForwardLayers(long inputs, long projected, long hidden, long outputs, Placement placement)
        : base(nameof(FeedForwardLayers))
    {
        Wide = new Projection(inputs, projected, placement);
        Back = new Linear(hidden, outputs, placement);
        RegisterComponents();
    }

    /// <summary>Carries the key <c>proj</c>.</summary>
    public sealed class Projection : nn.Module
    {
        [ComponentName(Name = "proj")]
        public readonly Linear Proj;

        public Projection(long inputs, long outputs, Placement placement)
            : base(nameof(Projection))
        {
            Proj = new Linear(inputs, outputs, placement);
            RegisterComponents();
        }
    }
}
