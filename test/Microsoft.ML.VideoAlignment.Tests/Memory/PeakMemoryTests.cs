using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PeakMemoryTests
{
    [Test]
    public void OfAGpuItIsTheMostThatWasInUse()
    {
        var device = new FakeDevice { Memory = new DeviceMemory(9_000, 10_000) };
        var peak = new PeakMemory(device);
        Assert.That(peak.Measure(), Is.EqualTo(1_000));
        device.Memory = new DeviceMemory(2_500, 10_000);
        Assert.That(peak.Measure(), Is.EqualTo(7_500));
        device.Memory = new DeviceMemory(4_000, 10_000);
        Assert.That(peak.Measure(), Is.EqualTo(7_500), "what was freed was needed");
        device.Memory = null;
        Assert.That(peak.Measure(), Is.EqualTo(7_500), "a measurement that fails takes nothing back");
    }

    [Test]
    public void OfAGpuThatDoesNotSayItIsNotKnown() => Assert.That(new PeakMemory(new FakeDevice()).Measure(), Is.Null);

    [Test]
    public void OfTheCpuItIsTheProcess()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        Assert.That(new PeakMemory(new UnknownDevice(DeviceType.CPU)).Measure(), Is.GreaterThanOrEqualTo(process.WorkingSet64 / 2));
    }
}
