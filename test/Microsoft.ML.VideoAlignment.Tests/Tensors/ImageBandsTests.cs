using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Images computed band by band are the whole images, and so is their gradient: in float64, where only rounding may differ.</summary>
public class ImageBandsTests
{
    private const long Groups = 2;

    /// <summary>Seven rows in bands of three, two and one: none divides them, and the halo is cut at the border.</summary>
    [TestCase(3)]
    [TestCase(2)]
    [TestCase(1)]
    public void TwoConvolutionsEqualTheWhole(int rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = Values(1, 4, 4, 3, 3);
        Tensor TwoConvolutions(Tensor x) => Ops.Conv(Ops.Conv(x, weight, null, padding: [1, 1]).tanh(), weight, null, padding: [1, 1]);
        Compare(rows, (bands, x) => bands.Map(x, given => TwoConvolutions(given[0])), TwoConvolutions, halo: 2, differs: false, weight);
        Compare(rows, (bands, x) => bands.Map(x, given => TwoConvolutions(given[0])), TwoConvolutions, halo: 1, differs: true, weight);
    }

    [Test]
    public void LargerImagesEqualTheWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = Values(1, 4, 4, 3, 3);
        Tensor Enlarged(Tensor x) =>
            Ops.Conv(nn.functional.interpolate(x, [2 * x.shape[2], 2 * x.shape[3]], mode: InterpolationMode.Nearest), weight, null, padding: [1, 1]);
        Compare(2, (bands, x) => bands.Map(x, given => Enlarged(given[0])), Enlarged, halo: 1, differs: false, weight);
        Compare(2, (bands, x) => bands.Map(x, given => Enlarged(given[0])), Enlarged, halo: 0, differs: true, weight);
    }

    /// <summary>A norm, a convolution, and a norm of what that makes: the statistics span bands, and carry gradient from each to all.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void StatisticsSpanAllBands(bool constant)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = Values(1, 4, 4, 3, 3), gamma = Values(2, 4).Add(1), beta = Values(3, 4);
        Tensor Half(Tensor x, Tensor? moments) => Ops.Conv(Norm(x, moments), weight, null, padding: [1, 1]);
        Tensor Norm(Tensor x, Tensor? moments) => moments is null
            ? nn.functional.silu(nn.functional.group_norm(x, Groups, gamma, beta, 1e-5))
            : GroupMoments.Normalize(x, constant ? moments.detach() : moments, gamma, beta, 1e-5, silu: true);
        Compare(
            2,
            (bands, x) => bands.Map(
                x, given => Norm(Half(given[0], given[1]), given[2]), new GroupStatistic(given => given[0], Groups),
                new GroupStatistic(given => Half(given[0], given[1]), Groups)),
            x => Norm(Half(x, null), null), halo: 1, differs: constant, weight, gamma, beta);
    }

    /// <summary>A mean a thousand deviations away: by a sum of squares, half of the variance's digits would be gone.</summary>
    [Test]
    public void MomentsOfUnevenPartsAreThoseOfTheWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Values(1, 3, 4, 7, 5).Add(300);
        Tensor parts = stack([.. new[] { (0, 3), (3, 3), (6, 1) }.Select(part => GroupMoments.Measure(x.narrow(2, part.Item1, part.Item2), Groups))], 1);
        Tensor merged = GroupMoments.Merge(parts, [3 / 7.0, 3 / 7.0, 1 / 7.0]), numbers = x.reshape(3, Groups, -1);
        Assert.That(merged.select(2, 0).allclose(numbers.mean([2]), rtol: 1e-13, atol: 0));
        Assert.That(merged.select(2, 1).allclose(numbers.var(2, unbiased: false), rtol: 1e-9, atol: 0));
    }

    [TestCase(1)]
    [TestCase(2)]
    public void AnExceptionInABandIsRethrownOutside(int statistic)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute, tileBytes: 1);
        Tensor x = Values(1, 1, 4, 5, 3).requires_grad_(true);
        int calls = 0;
        Tensor Failing(Tensor part) => ++calls <= 5 + 2 ? part.sin() : throw new InvalidOperationException("third band");
        Tensor y = statistic == 1 ? new ImageBands(1, 0).Map(x, given => Failing(given[0]))
            : new ImageBands(1, 0).Map(x, given => Ops.Add(given[0], given[1].sum()), new GroupStatistic(given => Failing(given[0]), Groups));
        Assert.That(() => Recompute.Backward(y.sum()), Throws.InvalidOperationException.With.Message.EqualTo("third band"));
    }

    /// <summary>What a function makes for itself is there for one band at a time, in both passes.</summary>
    [Test]
    public void OnlyTheImagesAreWhole()
    {
        const long Bytes = 4 * 64 * 8 * sizeof(float);
        long bands = Peak(tileBytes: Bytes / 64), whole = Peak(tileBytes: null);
        Assert.That(whole, Is.GreaterThan(9 * Bytes));
        Assert.That(bands, Is.LessThan(5.5 * Bytes), "the images, what is made of them, and both gradients");

        static long Peak(long? tileBytes)
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute, tileBytes: tileBytes);
            Tensor x = empty([1, 4, 64, 8], device: META).requires_grad_(true);
            using var profiler = new MemoryProfiler([], DeviceType.CPU);
            Tensor y = new ImageBands(1, 0).Map(x, given => Deep(given[0]));
            Recompute.Backward(y, empty_like(y));
            return profiler[RunStage.Backward];

            Tensor Deep(Tensor part)
            {
                Tensor made = part.alias();
                for (int i = 0; i < 8; i++)
                {
                    made = Ops.Add(made, made.sin());
                }

                return made;
            }
        }
    }

    // Two groups of images, as a batch has them.
    private static void Compare(
        int rows, Func<ImageBands, Tensor, Tensor> inBands, Func<Tensor, Tensor> whole, long halo, bool differs, params Tensor[] parameters)
    {
        Tensor x = Values(5, 2, 4, 7, 5).requires_grad_(true);
        (Tensor[] expected, Tensor[] banded) = (Run(whole), Run(images =>
        {
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute, tileBytes: rows * 4 * 5 * sizeof(double));
            return inBands(new ImageBands(together: 1, halo), images);
        }));
        double largest = expected.Zip(banded, (a, b) => (a - b).abs().max().ToDouble() / a.abs().max().ToDouble()).Max();
        Assert.That(largest, differs ? Is.GreaterThan(1e-3) : Is.LessThan(1e-10));

        // The result, and the gradients of images and parameters.
        Tensor[] Run(Func<Tensor, Tensor> run)
        {
            foreach (Tensor leaf in parameters.Append(x))
            {
                leaf.requires_grad_(true).grad = null;
            }

            Tensor y = run(x);
            Recompute.Backward(y, Values(9, y.shape));
            return [y.detach(), .. parameters.Append(x).Select(leaf => leaf.grad!.clone())];
        }
    }

    private static Tensor Values(long start, params long[] shape)
    {
        using Tensor values = Ramp.Values(start, shape);
        return values.to_type(ScalarType.Float64);
    }
}
