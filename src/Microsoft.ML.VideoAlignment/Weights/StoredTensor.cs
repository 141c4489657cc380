namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A block of elements in a PyTorch file.</summary>
/// <param name="Dtype">The element type; uint8 where <paramref name="Untyped"/>.</param>
/// <param name="Untyped">Whether it is an untyped storage, counted in bytes.</param>
/// <param name="Key">The name of its record.</param>
/// <param name="Count">The number of elements.</param>
internal sealed record TorchStorage(WeightDtype Dtype, bool Untyped, string Key, long Count)
{
    /// <summary>The length of its data in bytes; the count was checked so that this does not overflow.</summary>
    public long Bytes => Count * Dtype.Size;
}

/// <summary>A view of a storage, to be checked with <see cref="FindProblem"/>.</summary>
/// <param name="Dtype">The element type.</param>
/// <param name="Storage">The storage.</param>
/// <param name="Offset">The first element, counted in elements.</param>
/// <param name="Shape">The sizes of its axes.</param>
/// <param name="Strides">The steps along its axes, in elements.</param>
internal sealed record StoredTensor(WeightDtype Dtype, TorchStorage Storage, long Offset, IReadOnlyList<long> Shape, IReadOnlyList<long> Strides)
{
    /// <summary>The most axes: libtorch's own loops end at 64.</summary>
    public const int MaxRank = 64;

    /// <summary>The most bytes of a view that repeats elements. Such a view may be larger than its storage, but reading it makes the elements real.</summary>
    private const long MaxRepeatedBytes = 64 << 20;

    /// <summary>The number of elements from the first to the last one touched.</summary>
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

    /// <summary>Describes what is wrong with this view; null where it is sound.</summary>
    public string? FindProblem()
    {
        if (Shape.Count != Strides.Count || Shape.Count > MaxRank)
        {
            return $"{Shape.Count} sizes and {Strides.Count} strides (at most {MaxRank} each, and equally many)";
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
            return $"shape [{string.Join(", ", Shape)}] from element {Offset} on reaches element {end} of storage '{Storage.Key}', "
                + $"which has {Storage.Bytes / Dtype.Size}";
        }

        return bytes > Storage.Bytes && bytes > MaxRepeatedBytes ? $"{bytes} bytes made of a storage of {Storage.Bytes}" : null;
    }
}
