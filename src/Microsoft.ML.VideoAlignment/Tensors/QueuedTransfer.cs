namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Copies weights in the device's own queue, between its kernels: for a device of which no more is known, for the CPU, and, without memory, for the meta
/// device.
/// </summary>
/// <param name="device">Where the weights compute.</param>
internal sealed class QueuedTransfer(Device device) : IWeightTransfer
{
    // Of the CPU's own memory a copy is made, where there is nothing to move.
    public Tensor Store(Tensor weight) => weight.device_type == DeviceType.CPU ? weight.clone() : HostMemory.Offload(weight);

    public IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides) =>
        new Copy(device.type == DeviceType.CPU ? waiting.clone() : HostMemory.CopyBack(waiting, device, shape, strides));

    public void Dispose()
    {
    }

    private sealed class Copy(Tensor weight) : IWeightCopy
    {
        public Tensor Weight { get; } = weight.DetachFromDisposeScope();

        public void Wait()
        {
        }

        public void Dispose() => Weight.Dispose();
    }
}
