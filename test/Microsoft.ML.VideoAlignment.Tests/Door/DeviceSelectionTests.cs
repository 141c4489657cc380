using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

public class DeviceSelectionTests
{
    [TestCase(null, true, 0, null, null)]
    [TestCase(null, false, 2, null, "GpuDeviceId is null")]
    [TestCase(0, false, 1, 0, null)]
    [TestCase(1, true, 2, 1, null)]
    [TestCase(0, true, 0, null, "sees no CUDA device")]
    [TestCase(2, true, 2, null, "2 CUDA device(s)")]
    [TestCase(-1, true, 2, null, "GpuDeviceId is -1")]
    public void TheDeviceIsTheOneAskedForOrTheCpu(int? gpu, bool fallback, int present, int? expected, string? notice)
    {
        int? device = DeviceSelection.Choose(gpu, fallback, present, out string? said);
        Assert.That(device, Is.EqualTo(expected));
        Assert.That(said, notice is null ? Is.Null : Does.Contain(notice));
    }

    [TestCase(0, 0)]
    [TestCase(3, 2)]
    public void AMissingDeviceWithoutFallbackIsAnError(int gpu, int present) => Assert.That(
        () => DeviceSelection.Choose(gpu, fallbackToCpu: false, present, out _),
        Throws.InvalidOperationException.With.Message.Contains($"GpuDeviceId is {gpu}").And.Message.Contains("FallbackToCpu"));
}
