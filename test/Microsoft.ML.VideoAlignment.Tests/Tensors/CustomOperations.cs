using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The library's operations with a backward pass of their own, each as a function of one tensor.</summary>
internal static class CustomOperations
{
    /// <summary>All of them by name.</summary>
    public static IReadOnlyList<CustomOperation> All { get; } =
    [
        new("Recompute", "Recompute", CPU, [2, 8, 4, 4], x => Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0].tanh() * inputs[0], x)),
        new("Recompute offloaded", "Recompute", CPU, [2, 8, 4, 4], x => Recompute.Run(ActivationMemory.RecomputeOffloaded, inputs => inputs[0].tanh(), x)),
        new(
            "GroupNormKernel", "GroupNormKernel", CPU, [2, 8, 4, 4],
            x => GroupNormKernel.Run(x, Ramp.Values(2, 8) + 1, Ramp.Values(3, 8), 2, 1e-5, silu: true)),
        new(
            "GegluKernel", "GegluKernel", CPU, [2, 3, 8],
            x => GegluKernel.Run(x, x * 2, Ramp.Values(2, 64, 8), Ramp.Values(3, 64), Ramp.Values(4, 8, 32), Ramp.Values(5, 8))),
        new("Convolution of shapes", "MetaOps", META, [2, 8, 4, 4], x => MetaOps.Convolution(x, Empty(3, 8, 3, 3), Empty(3), [1, 1], [1, 1])),
        new(
            "TransposedConvolution of shapes", "MetaOps", META, [2, 8, 4, 4],
            x => MetaOps.TransposedConvolution(x, Empty(8, 3, 2, 2), null, [2, 2], [0, 0], [0, 0])),
        new("Attention of shapes", "MetaOps", META, [2, 2, 4, 4], x => MetaOps.Attention(x, x, x)),
        new("Norm of shapes", "MetaOps", META, [2, 8, 4, 4], x => MetaOps.Norm(x, Empty(8), Empty(8))),
        new("Select of shapes", "MetaOps", META, [2, 8, 4, 4], x => MetaOps.Select(x, 1, 3)),
        new("Pair of shapes", "MetaOps", META, [2, 8, 4, 4], x => MetaOps.Pair(x, x)),
    ];

    private static Tensor Empty(params long[] shape) => empty(shape, device: META);
}

/// <summary>An operation as a test case.</summary>
/// <param name="Title">What the test is called by.</param>
/// <param name="Name">What observers are told.</param>
/// <param name="Device">Where it runs.</param>
/// <param name="Shape">Of what it is given.</param>
/// <param name="Apply">The operation.</param>
internal sealed record CustomOperation(string Title, string Name, Device Device, long[] Shape, Func<Tensor, Tensor> Apply)
{
    /// <summary>A leaf to differentiate by.</summary>
    public Tensor Leaf() => (Device == META ? empty(Shape, device: META) : Ramp.Values(1, Shape)).requires_grad_(true);

    public override string ToString() => Title;
}
