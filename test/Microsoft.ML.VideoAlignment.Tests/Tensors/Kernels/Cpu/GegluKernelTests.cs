using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class GegluKernelTests
{
    /// <summary>Widths with a tail behind the vectors of 16, and more tokens than one piece of work takes (2048 at width 64).</summary>
    [TestCase(2, 7, 3)]
    [TestCase(1, 5, 8)]
    [TestCase(2, 1500, 64)]
    public void EqualsTheFormulaInFloat64(int batch, int tokens, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] inputs =
        [
            Ramp.Values(1, batch, tokens, width) * 4, Ramp.Values(2, batch, tokens, width), Ramp.Values(3, 8 * width, width) * 2, Ramp.Values(4, 8 * width),
            Ramp.Values(5, width, 4 * width), Ramp.Values(6, width),
        ];
        Tensor cotangent = Ramp.Values(7, batch, tokens, width);
        Tensor[] actual = GroupNormKernelTests.Gradients(inputs, x => GegluKernel.Run(x[0], x[1], x[2], x[3], x[4], x[5]), cotangent);
        Tensor[] expected = GroupNormKernelTests.Gradients(
            [.. inputs.Select(input => input.to_type(ScalarType.Float64))],
            x =>
            {
                Tensor[] halves = nn.functional.linear(x[0], x[2], x[3]).chunk(2, -1);
                return x[1] + nn.functional.linear(halves[0] * nn.functional.gelu(halves[1]), x[4], x[5]);
            },
            cotangent.to_type(ScalarType.Float64));
        for (int i = 0; i < actual.Length; i++)
        {
            Assert.That(GroupNormKernelTests.Distance(actual[i], expected[i]), Is.LessThan(1e-5), $"tensor {i}"); // float32 sums of up to 3000 terms
        }
    }

    [Test]
    public void OnlyWhatIsAskedForGetsGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, 4, 8).requires_grad_(true), residual = Ramp.Values(2, 4, 8), w1 = Ramp.Values(3, 64, 8), b1 = zeros(64),
            w2 = Ramp.Values(5, 8, 32), b2 = zeros(8);
        GegluKernel.Run(x, residual, w1, b1, w2, b2).sum().backward();
        Assert.That(x.grad, Is.Not.Null);
        Assert.That(new[] { residual, w1, b1, w2, b2 }.Select(tensor => tensor.grad), Is.All.Null);
    }
}
