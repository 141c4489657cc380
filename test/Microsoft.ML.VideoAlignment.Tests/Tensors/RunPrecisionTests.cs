using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RunPrecisionTests
{
    /// <summary>Half kernels that are trained are left to libtorch on other devices, and those that are frozen everywhere.</summary>
    [Test]
    public void TheCpuConvolvesWithATrainedHalfKernelInFloat32([Values(ScalarType.BFloat16, ScalarType.Float16)] ScalarType half)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = ones([1, 4, 3, 3], dtype: half), kernel = ones([2, 4, 3, 3], dtype: half), wide = ones(1);
        Tensor trained = kernel.clone().requires_grad_(true), meta = x.to(META);
        Tensor y = Ops.Conv(x, trained, bias: null, padding: [1, 1]);
        y.sum().backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PrecisionPolicy.TypeOfConvolution(x, trained), Is.EqualTo(ScalarType.Float32));
            Assert.That(PrecisionPolicy.TypeOfConvolution(x, kernel), Is.EqualTo(half), "frozen");
            Assert.That(PrecisionPolicy.TypeOfConvolution(wide, trained), Is.EqualTo(ScalarType.Float32));
            Assert.That(PrecisionPolicy.TypeOfConvolution(meta, trained), Is.EqualTo(half), "the meta device stands for others too");
            Assert.That((y.dtype, trained.grad!.dtype), Is.EqualTo((half, half)));
            Assert.That(trained.grad!.to_type(ScalarType.Float32).sum().ToDouble(), Is.EqualTo(2 * 4 * 49), "49 places of a kernel lie in the image");
        }
    }

    [Test]
    public void PartsInFloat16AreNamedWithWhatToSet()
    {
        var precision = new RunPrecision(ComputePrecision.Float16, ComputePrecision.Float32, ComputePrecision.Float16);
        Assert.That(
            precision.AdviseAgainstOverflow(NetworkRole.Denoiser, NetworkRole.Decoder, NetworkRole.Reward),
            Does.StartWith(" Memory.Precision, Memory.RewardPrecision: Float16 ").And.Contains("ComputePrecision.BFloat16"));
        Assert.That(precision.AdviseAgainstOverflow(NetworkRole.Decoder), Is.Empty);
    }

    [TestCase(ComputePrecision.Float32)]
    [TestCase(ComputePrecision.BFloat16)]
    public void OtherTypesNeedNoAdvice(ComputePrecision precision) => Assert.That(
        new RunPrecision(precision, precision, precision).AdviseAgainstOverflow(NetworkRole.Denoiser, NetworkRole.Decoder, NetworkRole.Reward), Is.Empty);
}
