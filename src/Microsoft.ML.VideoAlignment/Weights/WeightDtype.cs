namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>An element type of weight files. libtorch cannot compute with float8, so these two types are delivered as float32, exactly.</summary>
/// <param name="Name">PyTorch's name, without "torch.".</param>
/// <param name="SafetensorsName">The name in safetensors files.</param>
/// <param name="Size">The bytes of an element.</param>
/// <param name="Delivered">The type of the tensors that are read.</param>
internal sealed record WeightDtype(string Name, string SafetensorsName, int Size, ScalarType Delivered)
{
    private const long PieceElements = 1 << 18;

    public static WeightDtype Float8E4M3 { get; } = new("float8_e4m3fn", "F8_E4M3", 1, ScalarType.Float32);

    public static WeightDtype Float8E5M2 { get; } = new("float8_e5m2", "F8_E5M2", 1, ScalarType.Float32);

    public static IReadOnlyList<WeightDtype> All { get; } =
    [
        new("float64", "F64", 8, ScalarType.Float64), new("float32", "F32", 4, ScalarType.Float32), new("float16", "F16", 2, ScalarType.Float16),
        new("bfloat16", "BF16", 2, ScalarType.BFloat16), new("int64", "I64", 8, ScalarType.Int64), new("int32", "I32", 4, ScalarType.Int32),
        new("int16", "I16", 2, ScalarType.Int16), new("int8", "I8", 1, ScalarType.Int8), new("uint8", "U8", 1, ScalarType.Byte),
        new("bool", "BOOL", 1, ScalarType.Bool), Float8E4M3, Float8E5M2,
    ];

    public bool IsFloat8 => Size == 1 && Delivered == ScalarType.Float32;

    /// <summary>Returns the type with this PyTorch name; null where there is none.</summary>
    /// <param name="name">The name, without "torch.".</param>
    public static WeightDtype? FromName(string name) => All.FirstOrDefault(dtype => dtype.Name == name);

    /// <summary>Returns the type with this safetensors name; null where there is none.</summary>
    /// <param name="name">The name.</param>
    public static WeightDtype? FromSafetensorsName(string? name) => All.FirstOrDefault(dtype => dtype.SafetensorsName == name);

    /// <summary>Returns the type that a tensor is stored as; null where the formats have none.</summary>
    /// <param name="type">The tensor's type.</param>
    public static WeightDtype? FromScalarType(ScalarType type) => All.FirstOrDefault(dtype => dtype.Delivered == type);

    /// <summary>Returns the bytes that a shape takes; null for a negative size, or a product beyond 64 bits.</summary>
    /// <remarks>Sizes of zero count as one while multiplying, because libtorch computes strides in the same way.</remarks>
    /// <param name="shape">The sizes of the axes.</param>
    public long? ByteCount(IEnumerable<long> shape)
    {
        Int128 bytes = Size;
        bool empty = false;
        foreach (long size in shape)
        {
            bytes *= Math.Max(size, 1);
            if (size < 0 || bytes > long.MaxValue)
            {
                return null;
            }

            empty |= size == 0;
        }

        return empty ? 0 : (long)bytes;
    }

    /// <summary>Reads a tensor onto the CPU, contiguous; the caller owns it.</summary>
    /// <param name="shape">The sizes of its axes.</param>
    /// <param name="source">The stream, whose next bytes are the elements.</param>
    public Tensor ReadTensor(IReadOnlyList<long> shape, Stream source)
    {
        Tensor tensor = empty([.. shape], dtype: Delivered);
        try
        {
            foreach (Tensor part in TensorSlices.Enumerate(tensor))
            {
                Fill(part, source);
            }

            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>Reads elements in flat pieces of about a megabyte, one after the other in the same memory.</summary>
    /// <param name="count">The number of elements.</param>
    /// <param name="unit">The number of elements of which each piece holds a multiple, at least 1.</param>
    /// <param name="source">The stream, whose next bytes are the elements.</param>
    /// <param name="take">Receives each piece, which lives until the call returns.</param>
    public void ReadInPieces(long count, long unit, Stream source, Action<Tensor> take)
    {
        long most = Math.Min(count, unit * Math.Max(1, PieceElements / unit));
        using Tensor piece = empty([most], dtype: Delivered);
        for (long start = 0; start < count; start += most)
        {
            using Tensor part = piece.narrow(0, 0, Math.Min(most, count - start));
            foreach (Tensor slice in TensorSlices.Enumerate(part))
            {
                Fill(slice, source);
            }

            take(part);
        }
    }

    private void Fill(Tensor part, Stream source)
    {
        if (IsFloat8)
        {
            byte[] codes = new byte[part.numel()];
            source.ReadExactly(codes);
            Span<float> values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(part.bytes);
            for (int i = 0; i < codes.Length; i++)
            {
                values[i] = ReferenceEquals(this, Float8E4M3) ? DecodeE4M3(codes[i]) : DecodeE5M2(codes[i]);
            }

            return;
        }

        Span<byte> bytes = part.bytes;
        source.ReadExactly(bytes);
        if (Delivered == ScalarType.Bool)
        {
            // Any other byte than 0 and 1 in a bool tensor is undefined behavior in libtorch.
            foreach (ref byte value in bytes)
            {
                value = value == 0 ? (byte)0 : (byte)1;
            }
        }
    }

    // 1 sign, 4 exponent (bias 7), 3 fraction bits; no infinity, all ones is NaN (Micikevicius et al. 2022, arXiv 2209.05433, table 1).
    private static float DecodeE4M3(byte code)
    {
        int exponent = (code >> 3) & 15;
        int fraction = code & 7;
        float magnitude = (code & 127) == 127 ? float.NaN
            : exponent == 0 ? MathF.ScaleB(fraction, -9)
            : MathF.ScaleB(8 + fraction, exponent - 10);
        return code >= 128 ? -magnitude : magnitude;
    }

    // The upper half of a float16.
    private static float DecodeE5M2(byte code) => (float)BitConverter.UInt16BitsToHalf((ushort)(code << 8));
}
