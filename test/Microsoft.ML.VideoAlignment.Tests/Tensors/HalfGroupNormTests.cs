using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The norm of half numbers beside libtorch's of the same numbers in float64.</summary>
public class HalfGroupNormTests
{
    private const double Eps = 1e-5;

    [Test]
    public void NumbersAndGradientAreThoseOfFloat64(
        [Values(ScalarType.BFloat16, ScalarType.Float16)] ScalarType type, [Values] bool silu, [Values] bool channelsLast, [Values(1 << 24, 40, 1)] long part,
        [Values] bool wide)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(3);
        long[] shape = wide ? [2, 12, 5, 7] : [2, 12, 9];
        Tensor x = ((randn(shape, generator: generator) * 2) + 5).to_type(type), slope = randn(shape, generator: generator).to_type(type);
        x = channelsLast ? x.transpose(1, -1).contiguous().transpose(1, -1) : x;
        Tensor gamma = randn(12, generator: generator).to_type(type), beta = randn(12, generator: generator).to_type(type);
        var norm = new HalfGroupNorm(groups: 4, gamma, beta, Eps, silu) { PartLength = part };

        Tensor exactX = x.to_type(ScalarType.Float64).requires_grad_(true);
        Tensor exact = nn.functional.group_norm(exactX, 4, gamma.to_type(ScalarType.Float64), beta.to_type(ScalarType.Float64), Eps);
        exact = silu ? nn.functional.silu(exact) : exact;
        exact.backward([slope.to_type(ScalarType.Float64)]);

        Tensor input = x.clone().requires_grad_(true);
        Tensor y = norm.Run(input);
        Recompute.Backward(y, slope);
        double rounding = type == ScalarType.BFloat16 ? 1.0 / 256 : 1.0 / 2048;
        Assert.That((y.dtype, input.grad!.dtype), Is.EqualTo((type, type)));
        Assert.That(y.stride(), Is.EqualTo(x.stride()), "laid out as the input");
        RequireRounded(y, exact, rounding);
        RequireRounded(input.grad!, exactX.grad!, rounding);
        using IDisposable guard = no_grad();
        Assert.That(norm.Run(x).equal(y).all().ToBoolean(), Is.True, "without gradient the same");
    }

    /// <summary>A mean that is a hundred deviations away: a sum of squares would lose it.</summary>
    [Test]
    public void ALargeMeanIsTakenAway()
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(4);
        Tensor x = (randn([1, 4, 6, 6], generator: generator) + 100).to_type(ScalarType.Float16);
        Tensor y = new HalfGroupNorm(groups: 2, ones(4), zeros(4), Eps, silu: false).Run(x);
        RequireRounded(y, nn.functional.group_norm(x.to_type(ScalarType.Float64), 2, null, null, Eps), 1.0 / 2048);
    }

    // Each number within a rounding of half the last place, of itself or of a number of the tensor's usual size.
    private static void RequireRounded(Tensor given, Tensor exact, double rounding)
    {
        Tensor reference = exact.detach(), allowed = (reference.abs() + reference.abs().mean()) * rounding;
        Assert.That(((given.to_type(ScalarType.Float64) - reference).abs() - allowed).max().ToDouble(), Is.LessThanOrEqualTo(0));
    }
}
