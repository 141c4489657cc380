using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Where the weight of a blend comes from.</summary>
internal enum BlendStrategy
{
    /// <summary>mix_factor itself, a constant of the file.</summary>
    Constant,

    /// <summary>sigmoid(mix_factor).</summary>
    Learned,

    /// <summary>As <see cref="Learned"/>, but the spatial branch alone for frames that are images of their own.</summary>
    LearnedWithImages,
}

/// <summary>
/// alpha * spatial + (1 - alpha) * temporal, or the weights the other way round; key <c>mix_factor</c> [1]. Reference: diffusers, <c>AlphaBlender</c>.
/// </summary>
internal sealed class AlphaBlender : nn.Module
{
    private const string Key = "mix_factor";

    private readonly BlendStrategy _strategy;
    private readonly bool _switched;

    /// <summary>Makes the blend.</summary>
    /// <param name="strategy">Where the weight comes from.</param>
    /// <param name="switched">Whether the weight is the temporal branch's.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public AlphaBlender(BlendStrategy strategy, bool switched, Placement placement)
        : base(nameof(AlphaBlender))
    {
        Parameter factor = placement.Parameter(1);
        (_strategy, _switched) = (strategy, switched);

        // By hand: two fields of one name, a parameter and a buffer, would break the module's conversion to another device or dtype.
        if (strategy == BlendStrategy.Constant)
        {
            register_buffer(Key, factor.detach().DetachFromDisposeScope());
        }
        else
        {
            register_parameter(Key, factor);
        }
    }

    /// <summary>Blends two tensors.</summary>
    /// <param name="spatial">Any shape.</param>
    /// <param name="temporal">The same shape.</param>
    /// <param name="imageOnly">A shape that broadcasts to it, 1 for frames that are images of their own; null: there are none.</param>
    /// <returns>A fresh tensor of that shape.</returns>
    public Tensor Blend(Tensor spatial, Tensor temporal, Tensor? imageOnly = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor alpha = _strategy == BlendStrategy.Constant
            ? get_buffer(Key)!.to_type(spatial.dtype)
            : get_parameter(Key)!.to_type(spatial.dtype).sigmoid(); // [1]
        if (imageOnly is not null && _strategy == BlendStrategy.LearnedWithImages)
        {
            alpha = where(imageOnly.to_type(ScalarType.Bool), ones_like(alpha), alpha);
        }

        Tensor y = _switched ? spatial.lerp(temporal, alpha) : temporal.lerp(spatial, alpha);
        return y.MoveToOuterDisposeScope();
    }
}
