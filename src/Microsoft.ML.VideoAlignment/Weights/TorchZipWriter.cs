using System.IO.Compression;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Writes what torch.save writes for a dict of tensors, a dict of such dicts (the form of training checkpoints), or a list of tensors (the form of published
/// LoRA files).
/// </summary>
/// <remarks>Protocol 2, records stored, fixed dates, so that equal contents give equal files.</remarks>
internal static class TorchZipWriter
{
    // The earliest date that a zip archive can hold.
    private static readonly DateTimeOffset s_date = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes a dict, in the order given. An existing file is replaced only when the new one is complete.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors by name, of any strides and device.</param>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors) =>
        AtomicFile.Write(path, stream => Write(stream, [.. tensors.Values], Pickle([(null, tensors)])));

    /// <summary>Writes a dict of dicts, in the order given, such as {"state_dict": {...}}.</summary>
    /// <param name="path">The file.</param>
    /// <param name="dictionaries">The dicts by name.</param>
    public static void Write(string path, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> dictionaries) =>
        AtomicFile.Write(path, stream => Write(
            stream,
            [.. dictionaries.Values.SelectMany(tensors => tensors.Values)],
            Pickle([.. dictionaries.Select(pair => ((string?)pair.Key, pair.Value))])));

    /// <summary>Writes a list without names, in the order given.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors, of any strides and device.</param>
    /// <param name="parameters">Whether they become torch.nn.Parameter objects that require grad.</param>
    public static void Write(string path, IReadOnlyList<Tensor> tensors, bool parameters = false) =>
        AtomicFile.Write(path, stream => Write(stream, tensors, Pickle(tensors, parameters)));

    private static void Write(Stream stream, IReadOnlyList<Tensor> tensors, byte[] pickle)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        Record(archive, "data.pkl", pickle);
        Record(archive, "byteorder", "little"u8);
        for (int i = 0; i < tensors.Count; i++)
        {
            using Stream record = Open(archive, $"data/{i}");
            TensorSlices.CopyTo(tensors[i], record.Write);
        }

        Record(archive, "version", "3\n"u8);
    }

    private static Stream Open(ZipArchive archive, string name)
    {
        ZipArchiveEntry entry = archive.CreateEntry($"archive/{name}", CompressionLevel.NoCompression);
        entry.LastWriteTime = s_date;
        return entry.Open();
    }

    private static void Record(ZipArchive archive, string name, ReadOnlySpan<byte> bytes)
    {
        using Stream record = Open(archive, name);
        record.Write(bytes);
    }

    // The opcodes that Python's pickler emits for dicts by name, without its memo; a dict without a name is the whole file.
    private static byte[] Pickle(IReadOnlyList<(string? Name, IReadOnlyDictionary<string, Tensor> Tensors)> dictionaries)
    {
        var pickle = new MemoryStream();
        using var writer = new BinaryWriter(pickle);
        writer.Write([0x80, 2]);
        bool nested = dictionaries is not [(null, _)];
        if (nested)
        {
            writer.Write("}("u8);
        }

        int key = 0;
        foreach ((string? name, IReadOnlyDictionary<string, Tensor> tensors) in dictionaries)
        {
            if (nested)
            {
                Text(writer, name!);
            }

            writer.Write("}("u8);
            foreach ((string text, Tensor tensor) in tensors)
            {
                Text(writer, text);
                Tensor(writer, tensor, key++);
            }

            writer.Write((byte)'u');
        }

        writer.Write(nested ? "u."u8 : "."u8);
        writer.Flush();
        return pickle.ToArray();
    }

    // The opcodes that Python's pickler emits for a list, without its memo.
    private static byte[] Pickle(IReadOnlyList<Tensor> tensors, bool parameters)
    {
        var pickle = new MemoryStream();
        using var writer = new BinaryWriter(pickle);
        writer.Write([0x80, 2, (byte)']', (byte)'(']);
        for (int i = 0; i < tensors.Count; i++)
        {
            if (!parameters)
            {
                Tensor(writer, tensors[i], i);
                continue;
            }

            // _rebuild_parameter(data, requires_grad, hooks)
            Global(writer, "torch._utils\n_rebuild_parameter\n");
            Tensor(writer, tensors[i], i);
            writer.Write((byte)0x88);
            Global(writer, "collections\nOrderedDict\n");
            writer.Write(")R"u8);
            writer.Write([0x87, (byte)'R']);
        }

        writer.Write("e."u8);
        writer.Flush();
        return pickle.ToArray();
    }

    // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict()).
    private static void Tensor(BinaryWriter writer, Tensor tensor, int key)
    {
        Global(writer, "torch._utils\n_rebuild_tensor_v2\n");
        writer.Write("(("u8);
        Text(writer, "storage");
        Global(writer, $"torch\n{StorageName(tensor.dtype)}Storage\n");
        Text(writer, $"{key}");
        Text(writer, "cpu");
        Integer(writer, tensor.numel());
        writer.Write("tQ"u8);
        Integer(writer, 0);
        long[] shape = tensor.shape;
        long[] strides = new long[shape.Length];
        long stride = 1;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= Math.Max(shape[axis], 1);
        }

        Tuple(writer, shape);
        Tuple(writer, strides);
        writer.Write((byte)0x89);
        Global(writer, "collections\nOrderedDict\n");
        writer.Write(")RtR"u8);
    }

    private static string StorageName(ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 => "Double",
        ScalarType.Float32 => "Float",
        ScalarType.Float16 => "Half",
        ScalarType.BFloat16 => "BFloat16",
        ScalarType.Int64 => "Long",
        ScalarType.Int32 => "Int",
        ScalarType.Int16 => "Short",
        ScalarType.Int8 => "Char",
        ScalarType.Byte => "Byte",
        ScalarType.Bool => "Bool",
        _ => throw new ArgumentException($"dtype {dtype} has no storage class in torch.save's format.", nameof(dtype)),
    };

    private static void Global(BinaryWriter writer, string lines)
    {
        writer.Write((byte)'c');
        writer.Write(Encoding.ASCII.GetBytes(lines));
    }

    private static void Text(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((byte)'X');
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    private static void Tuple(BinaryWriter writer, long[] numbers)
    {
        writer.Write((byte)'(');
        foreach (long number in numbers)
        {
            Integer(writer, number);
        }

        writer.Write((byte)'t');
    }

    private static void Integer(BinaryWriter writer, long number)
    {
        if (number is >= int.MinValue and <= int.MaxValue)
        {
            writer.Write((byte)'J');
            writer.Write((int)number);
        }
        else
        {
            writer.Write([0x8a, 8]);
            writer.Write(number);
        }
    }
}
