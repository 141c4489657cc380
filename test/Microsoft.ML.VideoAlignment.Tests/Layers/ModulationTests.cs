using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ModulationTests
{
    private const double HalfStep = 1.0 / 256; // of bfloat16, relative to the number

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(6)]
    public void OneTimeForEachGroupEqualsTheGroupsByThemselves(int groups)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, 2, groups, 6 / groups, 8), shift = Ramp.Values(2, 2, groups, 1, 8), scale = Ramp.Values(3, 2, groups, 1, 8);
        Tensor whole = Modulation.Normalize(x, shift, scale);
        for (int row = 0; row < 2; row++)
        {
            for (int group = 0; group < groups; group++)
            {
                Tensor Part(Tensor all) => all.narrow(0, row, 1).narrow(1, group, 1);
                Tensor alone = Modulation.Normalize(Part(x), Part(shift), Part(scale));
                Assert.That((Part(whole) - alone).abs().max().item<float>(), Is.LessThan(1e-5f));
            }
        }
    }

    /// <summary>What is modulated is rounded once: a shift that takes away most of a large scale's product would show a rounding before it.</summary>
    [TestCase(1)]
    [TestCase(2)]
    public void InHalfPrecisionNormScaleAndShiftAreRoundedOnce(int rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, rows, 1, 4, 8).to(ScalarType.BFloat16);
        Tensor exact = nn.functional.layer_norm(x.to(ScalarType.Float64), [8], eps: 1e-6);
        Tensor scale = full([rows, 1, 1, 8], 63f), shift = exact.mean([2], keepdim: true).to(ScalarType.Float32) * -64;
        Tensor expected = (exact * 64) + shift.to(ScalarType.Float64);
        Tensor y = Modulation.Normalize(x, shift, scale);
        Assert.That(y.dtype, Is.EqualTo(ScalarType.BFloat16));
        Tensor excess = (y.to(ScalarType.Float64) - expected).abs() - (expected.abs() * HalfStep);
        Assert.That(excess.max().item<double>(), Is.LessThan(1e-3), "64 numbers of size 1, each off by half a step, are off by up to 0.25");
    }

    [Test]
    public void InHalfPrecisionAGatedSumIsRoundedOnceAndItsGradientsKeepTheirTypes()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Ramp.Values(1, 2, 2, 3, 4).to(ScalarType.BFloat16).requires_grad_(true), y = Ramp.Values(5, 2, 2, 3, 4).to(ScalarType.BFloat16)
            .requires_grad_(true);
        Tensor gate = Ramp.Values(9, 2, 2, 1, 4).requires_grad_(true);
        Tensor sum = Modulation.AddGated(x, gate, y);
        Tensor expected = x.detach().to(ScalarType.Float64) + (gate.detach().to(ScalarType.Float64) * y.detach().to(ScalarType.Float64));
        Assert.That(sum.dtype, Is.EqualTo(ScalarType.BFloat16));
        Assert.That(((sum.detach().to(ScalarType.Float64) - expected).abs() - (expected.abs() * HalfStep)).max().item<double>(), Is.LessThan(1e-6));
        sum.sum().backward();
        Assert.That(
            new[] { x, gate, y }.Select(part => part.grad!.dtype),
            Is.EqualTo(new[] { ScalarType.BFloat16, ScalarType.Float32, ScalarType.BFloat16 }));
    }

    [Test]
    public void TheTimesRowsAreWideWhateverTableAndTimeAre()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor table = Ramp.Values(1, 2, 4), time = Ramp.Values(2, 3, 1, 8);
        Tensor[] rows = Modulation.SplitRows(table.to(ScalarType.BFloat16), time.to(ScalarType.BFloat16));
        Assert.That(rows.Select(row => row.dtype), Is.All.EqualTo(ScalarType.Float32));
        Assert.That(rows.Select(row => Shapes.Describe(row)), Is.All.EqualTo("[3, 1, 1, 4]"));
    }
}
