using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RunPrecisionTests
{
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
