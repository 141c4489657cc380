namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>A device of which only the kind is known: the CPU, or a GPU that is not there.</summary>
/// <param name="Type">The kind of device.</param>
internal sealed record UnknownDevice(DeviceType Type) : IComputeDevice
{
    public Version? ComputeCapability => null;

    public DeviceMemory? ReadMemory() => null;
}
