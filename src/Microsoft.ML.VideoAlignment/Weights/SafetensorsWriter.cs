using System.Buffers;
using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// Writes safetensors: the header padded to 8 bytes, the tensors by falling element size and then by name, so that each is aligned and equal contents give
/// equal files.
/// </summary>
internal static class SafetensorsWriter
{
    /// <summary>Writes a file; an existing one is replaced only when the new one is complete.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">The tensors by name, of any strides and device.</param>
    /// <param name="metadata">The header's __metadata__; null: none.</param>
    /// <exception cref="ArgumentException">The format does not have a tensor's dtype, or reserves its name.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        AtomicFile.Write(path, stream => Write(stream, tensors, metadata));

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">The stream, which stays open.</param>
    /// <param name="tensors">The tensors by name, of any strides and device.</param>
    /// <param name="metadata">The header's __metadata__; null: none.</param>
    /// <exception cref="ArgumentException">The format does not have a tensor's dtype, or reserves its name.</exception>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        (string Name, Tensor Tensor, WeightDtype Dtype)[] ordered =
        [
            .. tensors.Select(pair => (Name: pair.Key, Tensor: pair.Value, Dtype: Dtype(pair.Key, pair.Value)))
                .OrderByDescending(item => item.Dtype.Size).ThenBy(item => item.Name, StringComparer.Ordinal),
        ];
        byte[] header = Header(ordered, metadata);
        stream.Write(BitConverter.GetBytes((ulong)header.Length));
        stream.Write(header);
        foreach ((_, Tensor tensor, _) in ordered)
        {
            TensorSlices.CopyTo(tensor, stream.Write);
        }
    }

    private static WeightDtype Dtype(string name, Tensor tensor) =>
        name == "__metadata__" ? throw new ArgumentException("A tensor cannot be called __metadata__: the name is the format's own.", nameof(name))
        : WeightDtype.FromScalarType(tensor.dtype)
            ?? throw new ArgumentException($"Tensor '{name}' has dtype {tensor.dtype}, which safetensors does not have.", nameof(tensor));

    private static byte[] Header((string Name, Tensor Tensor, WeightDtype Dtype)[] ordered, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            long offset = 0;
            foreach ((string name, Tensor tensor, WeightDtype dtype) in ordered)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", dtype.SafetensorsName);
                WriteNumbers(json, "shape", tensor.shape);
                WriteNumbers(json, "data_offsets", offset, offset += tensor.numel() * dtype.Size);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        byte[] header = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        header.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header);
        return header;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, params ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
