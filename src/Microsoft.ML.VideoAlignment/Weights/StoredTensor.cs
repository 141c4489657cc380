namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A block of elements in a PyTorch file, named by its key.</summary>
internal sealed record TorchStorage(WeightDtype Dtype, bool Untyped, string Key, long Count)
{
    /// <summary>The length of its data; the count was checked to make no overflow.</summary>
    public long Bytes => Count * Dtype.Size;
}

/// <summary>A view of a storage: sizes, strides and offset in elements, checked to lie within it.</summary>
internal sealed record StoredTensor(WeightDtype Dtype, TorchStorage Storage, long Offset, IReadOnlyList<long> Shape, IReadOnlyList<long> Strides)
{
    /// <summary>libtorch's own loops end at 64 axes.</summary>
    public const int MaxRank = 64;

    /// <summary>A view that repeats elements may be larger than its storage, but not without bound: reading it makes the elements real.</summary>
    private const long MaxRepeatedBytes = 64 << 20;

    /// <summary>Elements from the first to the last one touched.</summary>
    public long Extent => Shape.Contains(0) ? 0 : Shape.Zip(Strides, (size, stride) => (size - 1) * stride).Sum() + 1;

    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int axis = Shape.Count - 1; axis >= 0; axis--)
            {
                if (Shape[axis] != 1 && Strides[axis] != expected)
                {
                    return false;
                }

                expected *= Shape[axis];
            }

            return true;
        }
    }

    /// <summary>What is wrong with this view, or null.</summary>
    public string? Fault()
    {
        if (Shape.Count != Strides.Count || Shape.Count > MaxRank)
        {
            return $"{Shape.Count} sizes and {Strides.Count} strides (at most {MaxRank} each, and as many of one as of the other)";
        }

        if (Offset < 0 || Shape.Any(size => size < 0) || Strides.Any(stride => stride < 0))
        {
            return "a negative size, stride or offset";
        }

        if (Dtype.ByteCount(Shape) is not { } bytes)
        {
            return $"shape [{string.Join(", ", Shape)}] has more bytes than 64 bits can count";
        }

        if (bytes == 0)
        {
            return null;
        }

        Int128 end = Offset;
        for (int axis = 0; axis < Shape.Count; axis++)
        {
            end += (Int128)(Shape[axis] - 1) * Strides[axis];
            if (end > long.MaxValue)
            {
                return "the last element's place has more than 64 bits";
            }
        }

        if ((end + 1) * Dtype.Size > Storage.Bytes)
        {
            return $"shape [{string.Join(", ", Shape)}] from element {Offset} on reaches element {end} of storage '{Storage.Key}', which has {Storage.Bytes / Dtype.Size}";
        }

        return bytes > Storage.Bytes && bytes > MaxRepeatedBytes ? $"{bytes} bytes made of a storage of {Storage.Bytes}" : null;
    }
}
