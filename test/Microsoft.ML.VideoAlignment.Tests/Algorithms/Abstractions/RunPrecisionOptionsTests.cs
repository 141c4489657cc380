using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What precision options that are left null mean on a device.</summary>
public class RunPrecisionOptionsTests
{
    private static readonly ModelTraits s_traits = new() { Family = "Tiny" };

    [TestCase("9.0", ComputePrecision.BFloat16)]
    [TestCase("8.0", ComputePrecision.BFloat16)]
    [TestCase("7.5", ComputePrecision.Float32)]
    [TestCase(null, ComputePrecision.Float32)]
    public void TheDefaultOnAGpuIsBFloat16WhereItIsNative(string? capability, ComputePrecision expected) => Assert.That(
        new MemoryOptions().ResolvePrecision(new FakeDevice(capability), s_traits), Is.EqualTo(new RunPrecision(expected, expected, expected)));

    [Test]
    public void TheDefaultOnTheCpuIsFloat32() => Assert.That(
        new MemoryOptions().ResolvePrecision(new UnknownDevice(DeviceType.CPU), s_traits), Is.EqualTo(RunPrecision.Float32));

    [Test]
    public void WhatIsNamedStays()
    {
        var options = new MemoryOptions { Precision = ComputePrecision.Float16, RewardPrecision = ComputePrecision.BFloat16 };
        foreach (IComputeDevice device in new IComputeDevice[] { new FakeDevice("7.5"), new FakeDevice("9.0"), new UnknownDevice(DeviceType.CPU) })
        {
            Assert.That(
                options.ResolvePrecision(device, s_traits with { DecoderExceedsFloat16 = true }),
                Is.EqualTo(new RunPrecision(ComputePrecision.Float16, ComputePrecision.Float32, ComputePrecision.BFloat16)));
        }
    }

    [TestCase("7.5", "compute capability 7.5 and does not compute BFloat16 natively (8.0 does): the run computes in Float32. Set Memory.Precision to Float16")]
    [TestCase(null, "capability is not known, as the CUDA runtime (libcudart, cudart64) was not found")]
    public void Float32OnAGpuThatWasNotAskedForIsExplained(string? capability, string said) =>
        Assert.That(new MemoryOptions().ExplainFloat32(new FakeDevice(capability)), Does.Contain(said));

    [Test]
    public void NothingElseIsExplained()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(new MemoryOptions().ExplainFloat32(new FakeDevice("8.0")), Is.Null);
            Assert.That(new MemoryOptions().ExplainFloat32(new UnknownDevice(DeviceType.CPU)), Is.Null);
            Assert.That(new MemoryOptions { Precision = ComputePrecision.Float32 }.ExplainFloat32(new FakeDevice("7.5")), Is.Null);
        }
    }

    /// <summary>Decided as the run is made: what the options would mean elsewhere does not matter afterwards.</summary>
    [Test]
    public void ARunHasThePrecisionOfItsDevice()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = TinyModel.Redness();
        var options = new VideoAlignmentOptions();
        TrainingRun onGpu = TrainingRunFactory.Create(model, reward, options, seed: 1, [], new FakeDevice()),
            here = TrainingRunFactory.Create(model, reward, options, seed: 1, []);
        using (Assert.EnterMultipleScope())
        {
            Assert.That($"{onGpu.Precision}", Is.EqualTo("BFloat16"));
            Assert.That(here.Precision, Is.EqualTo(RunPrecision.Float32));
        }
    }
}
