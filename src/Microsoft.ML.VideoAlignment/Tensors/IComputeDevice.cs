namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>What is known of the device that a run computes on.</summary>
internal interface IComputeDevice
{
    /// <summary>The kind of device.</summary>
    DeviceType Type { get; }

    /// <summary>The compute capability of an NVIDIA GPU, such as 8.0; null: not known, or not a GPU.</summary>
    Version? ComputeCapability { get; }

    /// <summary>Reads what a GPU's memory holds at the moment, of all programs that use it.</summary>
    /// <returns>null: not known, or not a GPU.</returns>
    DeviceMemory? ReadMemory();
}

/// <summary>A GPU's memory at a moment.</summary>
/// <param name="FreeBytes">What can still be taken, in bytes.</param>
/// <param name="TotalBytes">All of it, in bytes.</param>
internal readonly record struct DeviceMemory(long FreeBytes, long TotalBytes)
{
    /// <summary>What is taken, in bytes, by all programs together.</summary>
    public long UsedBytes => TotalBytes - FreeBytes;
}
