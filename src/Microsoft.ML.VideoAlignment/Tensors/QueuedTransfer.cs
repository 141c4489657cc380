namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Copies weights in the device's own queue, between its kernels: for a device of which no more is known, for the CPU, and, without memory, for the meta
/// device.
/// </summary>
/// <param name="device">Where the weights compute.</param>
internal sealed class QueuedTransfer(Device device) : IWeightTransfer
{
    public Tensor Store(Tensor weight) => MetaOps.IsMeta(weight) ? empty(0, dtype: weight.dtype, device: META)
        : weight.device_type == DeviceType.CPU ? weight.clone()
        : weight.to(CPU, non_blocking: true);

    public IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides) => new Copy(
        MetaOps.IsMeta(waiting) ? empty_strided(shape, strides, dtype: waiting.dtype, device: META)
            : device.type == DeviceType.CPU ? waiting.clone()
            : waiting.to(device, non_blocking: true));

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
