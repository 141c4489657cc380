namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>A CUDA device of this machine.</summary>
/// <param name="runtime">Answers for the device; null: the library was not found, and nothing is known.</param>
/// <param name="index">The device's number, from 0.</param>
internal sealed class CudaDevice(CudaRuntime? runtime, int index) : IComputeDevice
{
    public DeviceType Type => DeviceType.CUDA;

    public Version? ComputeCapability { get; } = runtime?.ReadComputeCapability(index);

    public DeviceMemory? ReadMemory() => runtime?.ReadMemory(index);
}
