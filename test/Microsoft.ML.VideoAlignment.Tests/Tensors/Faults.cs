using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What can go wrong in a backward pass.</summary>
public enum Fault
{
    /// <summary>The runtime has no memory left.</summary>
    OutOfMemory,

    /// <summary>libtorch has none left on the device.</summary>
    OutOfDeviceMemory,

    /// <summary>The work is canceled.</summary>
    Canceled,

    /// <summary>Any other fault.</summary>
    Plain,
}

/// <summary>The faults as exceptions, each a fresh one.</summary>
[SuppressMessage("Usage", "CA2201", Justification = "These are what the runtime and TorchSharp throw.")]
internal static class Faults
{
    public static Exception Create(Fault fault) => fault switch
    {
        Fault.OutOfMemory => new OutOfMemoryException("no memory for the runtime"),
        Fault.OutOfDeviceMemory => new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB."),
        Fault.Canceled => new OperationCanceledException("stop", new CancellationToken(canceled: true)),
        _ => new InvalidOperationException("a fault"),
    };
}
