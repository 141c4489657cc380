using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Notes who reads numbers of the device.</summary>
internal sealed class HostReads : IRunObserver
{
    public List<string> Readers { get; } = [];

    void IRunObserver.HostReads(string reader) => Readers.Add(reader);
}
