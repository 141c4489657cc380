using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ComputeDeviceTests
{
    [TestCase("7.5", false)]
    [TestCase("8.0", true)]
    [TestCase("8.9", true)]
    [TestCase("10.0", true)]
    [TestCase(null, false)]
    public void BFloat16IsNativeFromCapability8(string? capability, bool expected)
    {
        var device = new FakeDevice(capability);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ComputeDevice.HasBFloat16(device), Is.EqualTo(expected));
            Assert.That(ComputeDevice.HalfPrecision(device), Is.EqualTo(expected ? ComputePrecision.BFloat16 : ComputePrecision.Float16));
        }
    }

    [Test]
    public void OfTheCpuNothingIsAsked()
    {
        foreach (Device device in new[] { torch.CPU, torch.META })
        {
            IComputeDevice found = ComputeDevice.Describe(device);
            Assert.That((found.Type, found.ComputeCapability, found.ReadMemory()), Is.EqualTo((DeviceType.CPU, (Version?)null, (DeviceMemory?)null)));
            Assert.That((ComputeDevice.HasBFloat16(found), ComputeDevice.HalfPrecision(found)), Is.EqualTo((false, (ComputePrecision?)null)));
        }
    }

    [Test]
    public void WithoutTheRuntimeAGpuIsNotKnown()
    {
        var device = new CudaDevice(runtime: null, index: 0);
        Assert.That((device.Type, device.ComputeCapability, device.ReadMemory()), Is.EqualTo((DeviceType.CUDA, (Version?)null, (DeviceMemory?)null)));
    }
}
