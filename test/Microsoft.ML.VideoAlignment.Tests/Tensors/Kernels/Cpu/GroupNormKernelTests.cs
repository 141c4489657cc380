using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class GroupNormKernelTests
{
    /// <summary>Channels with and without a tail behind the vectors of 16, images of one and of several slices of 256 rows, values far from zero.</summary>
    [TestCase(2, 12, 3, 5, 3, true, 0)]
    [TestCase(3, 32, 20, 31, 8, true, 0)]
    [TestCase(1, 40, 17, 16, 4, false, 0)]
    [TestCase(2, 16, 9, 9, 2, true, 50)]
    public void EqualsTheLibraryInFloat64(int images, int channels, int height, int width, int groups, bool silu, double offset)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, images, channels, height, width) * 3 + offset;
        Tensor weight = Ramp.Values(2, channels) + 1, bias = Ramp.Values(3, channels), cotangent = Ramp.Values(4, x.shape);
        Tensor[] inputs = [x, weight, bias];
        Tensor[] actual = Gradients(inputs, leaves => GroupNormKernel.Run(leaves[0], leaves[1], leaves[2], groups, 1e-5, silu), cotangent);
        Tensor[] expected = Gradients(
            [.. inputs.Select(input => input.to_type(ScalarType.Float64))],
            leaves =>
            {
                Tensor y = nn.functional.group_norm(leaves[0], groups, leaves[1], leaves[2], 1e-5);
                return silu ? nn.functional.silu(y) : y;
            },
            cotangent.to_type(ScalarType.Float64));
        for (int i = 0; i < actual.Length; i++)
        {
            Assert.That(Distance(actual[i], expected[i]), Is.LessThan(offset == 0 ? 2e-6 : 1e-4),
                $"tensor {i}"); // float32 loses 50 / 3 of its precision where the mean is 50
        }
    }

    [Test]
    public void KeepsChannelsLastMemoryAndLeavesNothingBehind()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, 2, 8, 4, 4), weight = ones(8), bias = zeros(8);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Tensor y = GroupNormKernel.Run(x, weight, bias, 2, 1e-5, silu: true);
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before + 1));
        Assert.That(y.stride(1), Is.EqualTo(1));
    }

    internal static Tensor[] Gradients(Tensor[] inputs, Func<Tensor[], Tensor> run, Tensor cotangent)
    {
        Tensor[] leaves = [.. inputs.Select(input => input.clone().requires_grad_(true))];
        Tensor y = run(leaves);
        (y * cotangent).sum().backward();
        return [y.detach(), .. leaves.Select(leaf => leaf.grad!)];
    }

    /// <summary>max|a - b| / max|b|.</summary>
    internal static double Distance(Tensor a, Tensor b) =>
        ((a.to_type(ScalarType.Float64) - b).abs().max() / b.abs().max()).item<double>();
}
