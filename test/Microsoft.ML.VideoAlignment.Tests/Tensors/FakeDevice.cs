using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A GPU that is not there, of which everything is known.</summary>
/// <param name="capability">Its compute capability; null: not known.</param>
internal sealed class FakeDevice(string? capability = "9.0") : IComputeDevice
{
    public DeviceType Type => DeviceType.CUDA;

    public Version? ComputeCapability { get; } = capability is null ? null : new Version(capability);

    /// <summary>What its memory holds; null: not known.</summary>
    public DeviceMemory? Memory { get; set; }

    public DeviceMemory? ReadMemory() => Memory;
}
