using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Small autoencoders of both forms, in float64 where segments and whole videos differ by rounding at 1e-16 alone.</summary>
internal static class WanVaeTiny
{
    /// <summary>Largest difference that is rounding, beside the largest number.</summary>
    public const double Rounding = 1e-11;

    public static WanVaeConfig Plain { get; } = new()
    {
        BaseDim = 4,
        LatentChannels = 3,
        Multipliers = [1, 2, 2],
        Halves = [true, true],
        ResBlocks = 1,
        LatentsMean = [0.1, -0.2, 0.3],
        LatentsDeviation = [1.5, 0.5, 2],
    };

    public static WanVaeConfig Residual { get; } = Plain with { IsResidual = true, PatchSize = 2, DecoderBaseDim = 6 };

    public static WanVae Create(bool residual, ScalarType dtype = ScalarType.Float64) =>
        Ramp.Fill(new WanVae(residual ? Residual : Plain, new Placement(CPU, dtype)));

    /// <summary>Latents [batch, 3, frames, 2, 3].</summary>
    public static Tensor Latents(long frames, long batch = 1, ScalarType dtype = ScalarType.Float64)
    {
        using Tensor values = Ramp.Values(5, batch, 3, frames, 2, 3);
        return values.to_type(dtype).Mul(3);
    }

    /// <summary>The gradient of a sum of the output's numbers, each with a weight of its own.</summary>
    public static Tensor Gradient(Tensor output, Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor cotangent = Ramp.Values(2, output.shape).to_type(output.dtype);
        Recompute.Backward((output * cotangent).sum());
        Tensor gradient = input.grad!.clone();
        input.grad = null;
        return gradient.MoveToOuterDisposeScope();
    }

    /// <summary>Largest difference between two tensors, beside the largest number of the second.</summary>
    public static double Distance(Tensor actual, Tensor expected)
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape));
        using DisposeScope scope = NewDisposeScope();
        double largest = expected.abs().max().item<double>();
        Assert.That(largest, Is.GreaterThan(0));
        return (actual - expected).abs().max().item<double>() / largest;
    }
}
