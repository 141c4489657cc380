namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Copies weights beside the kernels of a CUDA device, from pinned memory.</summary>
/// <param name="stream">The stream of the copies; the transfer owns it.</param>
/// <param name="device">The device.</param>
internal sealed class CudaTransfer(CudaCopyStream stream, Device device) : IWeightTransfer
{
    private readonly QueuedTransfer _queued = new(device);

    /// <summary>Makes the transfer of a device.</summary>
    /// <param name="device">The device.</param>
    /// <returns>null: it is not a CUDA device, or its runtime or libtorch's layout of tensors is not known.</returns>
    public static CudaTransfer? TryCreate(Device device) =>
        device.type == DeviceType.CUDA && StorageCount.IsKnown && CudaRuntime.Loaded?.TryOpenCopyStream(Math.Max(device.index, 0)) is { } stream
            ? new CudaTransfer(stream, device) : null;

    // libtorch pins what it copies to the CPU without waiting, and the copies back wait for the default stream, in which this one is.
    public Tensor Store(Tensor weight) => _queued.Store(weight);

    public IWeightCopy Begin(Tensor waiting, long[] shape, long[] strides)
    {
        Tensor weight = empty_strided(shape, strides, dtype: waiting.dtype, device: device).DetachFromDisposeScope();
        try
        {
            nint copied = stream.Copy(StorageCount.DataAddress(weight), StorageCount.DataAddress(waiting), StorageCount.Bytes(waiting));
            return new Copy(stream, weight, copied);
        }
        catch (InvalidOperationException)
        {
            weight.Dispose();
            throw;
        }
    }

    public void Dispose() => stream.Dispose();

    private sealed class Copy(CudaCopyStream stream, Tensor weight, nint copied) : IWeightCopy
    {
        private bool _hasWaited;

        public Tensor Weight => weight;

        public void Wait()
        {
            if (!_hasWaited)
            {
                _hasWaited = true;
                stream.Wait(copied);
            }
        }

        // Memory that is given back is for the default stream to use, which has to wait for the copy into it.
        public void Dispose()
        {
            Wait();
            weight.Dispose();
        }
    }
}
