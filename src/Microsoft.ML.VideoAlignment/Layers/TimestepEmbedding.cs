using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// A diffusion time as a vector: a sinusoid, then Linear, activation, Linear (keys <c>linear_1</c>, <c>linear_2</c>). Reference: diffusers,
/// <c>Timesteps</c> and <c>TimestepEmbedding</c>.
/// </summary>
internal sealed class TimestepEmbedding : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "linear_1")]
    private readonly Linear _linear1;

    [ComponentName(Name = "linear_2")]
    private readonly Linear _linear2;

    private readonly Activation _activation;
    private bool _matters = true;

    /// <summary>Makes the layers.</summary>
    /// <param name="channels">Width of the sinusoid.</param>
    /// <param name="width">Width between the two layers.</param>
    /// <param name="activation">Its name, see <see cref="Activation.ByName"/>.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="outWidth">Width of the result; null: that between the layers.</param>
    public TimestepEmbedding(long channels, long width, string activation, Placement placement, long? outWidth = null)
        : base(nameof(TimestepEmbedding))
    {
        _linear1 = new Linear(channels, width, placement);
        _linear2 = new Linear(width, outWidth ?? width, placement);
        _activation = Activation.ByName(activation);
        RegisterComponents();
    }

    /// <summary>Says that only the blocks of a network read the embedding: where none of them depends on it, its layers are inert.</summary>
    /// <param name="network">The network with all its blocks.</param>
    public void DeclareReaders(nn.Module network) => _matters = network.modules().OfType<ITimeDependent>().Any(block => block.DependsOnTime);

    /// <summary>Runs the layers.</summary>
    /// <param name="sinusoid">[N, channels].</param>
    /// <returns>[N, width], or [N, outWidth].</returns>
    public override Tensor forward(Tensor sinusoid)
    {
        _linear1.Slot.RecordUse(_matters);
        _linear2.Slot.RecordUse(_matters);
        using Tensor wide = _linear1.forward(sinusoid);
        using Tensor active = _activation.Apply(wide);
        return _linear2.forward(active);
    }

    /// <summary>Sines and cosines of t * exp(-ln(10000) i / (half - frequencyShift)), half = channels / 2; an odd width ends in one zero.</summary>
    /// <param name="timesteps">[N], whole or fractional.</param>
    /// <param name="channels">Width of the result.</param>
    /// <param name="cosinesFirst">Whether cosines come before sines.</param>
    /// <param name="frequencyShift">Taken off half.</param>
    /// <returns>float32 [N, channels].</returns>
    /// <remarks>Angles are taken in float64: at t near 1000 float32 loses 6e-5 of them.</remarks>
    public static Tensor Sinusoid(Tensor timesteps, long channels, bool cosinesFirst, double frequencyShift)
    {
        using DisposeScope scope = NewDisposeScope();
        long half = channels / 2;
        Tensor index = ScalarOps.Range(half, dtype: ScalarType.Float64, device: timesteps.device);
        Tensor frequencies = index.Mul(-Math.Log(10000) / (half - frequencyShift)).exp();
        Tensor angles = timesteps.to_type(ScalarType.Float64).unsqueeze(1) * frequencies;
        Tensor[] parts = cosinesFirst ? [angles.cos(), angles.sin()] : [angles.sin(), angles.cos()];
        Tensor sinusoid = cat(parts, dim: 1);
        if (channels % 2 == 1)
        {
            sinusoid = nn.functional.pad(sinusoid, [0, 1]);
        }

        return sinusoid.to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
