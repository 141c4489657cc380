namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Divides a large tensor into flat pieces, because <c>Tensor.bytes</c> is a Span and ends at 2 GB.</summary>
internal static class TensorSlices
{
    /// <summary>16 MiB: large enough for the disk, small enough not to matter in memory.</summary>
    public const long DefaultBytes = 16 << 20;

    /// <summary>Yields views of a contiguous tensor, in order; each lives until the next one is requested.</summary>
    /// <param name="tensor">The tensor, of any shape.</param>
    /// <param name="bytes">The most bytes of a view.</param>
    public static IEnumerable<Tensor> Enumerate(Tensor tensor, long bytes = DefaultBytes)
    {
        long count = tensor.numel();
        long step = Math.Max(1, bytes / tensor.element_size());
        using Tensor flat = tensor.view(-1);
        for (long start = 0; start < count; start += step)
        {
            using Tensor part = flat.narrow(0, start, Math.Min(step, count - start));
            yield return part;
        }
    }

    /// <summary>Writes the elements in order, whatever the tensor's strides and device.</summary>
    /// <param name="tensor">The tensor, of any shape.</param>
    /// <param name="write">Receives each piece.</param>
    public static void CopyTo(Tensor tensor, Action<ReadOnlySpan<byte>> write)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (Tensor part in Enumerate(tensor.detach().cpu().contiguous()))
        {
            write(part.bytes);
        }
    }
}
