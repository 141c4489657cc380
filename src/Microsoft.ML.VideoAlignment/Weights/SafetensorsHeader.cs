using System.Text.Json;
using System.Text.Unicode;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// The header of a safetensors file, checked in full: 8 bytes little-endian length, JSON, data (https://github.com/huggingface/safetensors, README, "Format").
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The largest header in bytes that the format's own reader accepts.</summary>
    public const long MaxLength = 100_000_000;

    // {"name": {"shape": [1]}} is three deep.
    private static readonly JsonReaderOptions s_json = new() { MaxDepth = 3 };

    private readonly FileBytes _file;

    private SafetensorsHeader(FileBytes file) => _file = file;

    /// <summary>One tensor.</summary>
    /// <param name="Dtype">The element type.</param>
    /// <param name="Shape">The sizes of its axes.</param>
    /// <param name="Begin">The offset of its first byte from <see cref="DataStart"/>.</param>
    /// <param name="End">The offset past its last byte from <see cref="DataStart"/>.</param>
    public readonly record struct Entry(WeightDtype Dtype, long[] Shape, long Begin, long End);

    public Dictionary<string, Entry> Entries { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    public long DataStart { get; private set; }

    public static SafetensorsHeader Read(FileBytes file)
    {
        if (file.Length < 8)
        {
            throw file.Fault($"{file.Length} bytes are not a safetensors file: it begins with 8 bytes of header length.");
        }

        ulong length = BitConverter.ToUInt64(file.Read(0, 8));
        if (length > MaxLength || length > (ulong)(file.Length - 8))
        {
            throw file.Fault(
                $"the safetensors header should be {length} bytes long, but the file has {file.Length - 8} bytes after the length and a header "
                + $"at most {MaxLength}. It is truncated or of another format.");
        }

        byte[] json = file.Read(8, (int)length);
        var header = new SafetensorsHeader(file) { DataStart = 8 + (long)length };
        if (json.Length == 0 || json[0] != '{')
        {
            throw file.Fault("the safetensors header does not begin with '{' at byte 8.");
        }

        if (!Utf8.IsValid(json))
        {
            throw file.Fault("the safetensors header is not UTF-8.");
        }

        try
        {
            header.Parse(json);
        }
        catch (JsonException exception)
        {
            throw file.Fault($"the safetensors header is not valid JSON of this format: {exception.Message}", exception);
        }
        catch (InvalidOperationException exception)
        {
            // GetString of an escaped lone surrogate.
            throw file.Fault("the safetensors header has text that is not valid Unicode.", exception);
        }

        header.CheckCoverage();
        return header;
    }

    private void Parse(byte[] json)
    {
        var reader = new Utf8JsonReader(json, s_json);
        reader.Read();
        bool metadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
            {
                Require(!metadata, "__metadata__ occurs twice");
                metadata = true;
                ReadMetadata(ref reader);
            }
            else
            {
                if (!Entries.TryAdd(name, ReadEntry(name, ref reader)))
                {
                    throw Wrong($"{Tensor(name)} occurs twice");
                }
            }
        }

        while (reader.Read())
        {
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Require(reader.TokenType == JsonTokenType.StartObject, "__metadata__ is not a map of text to text");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            Require(reader.TokenType == JsonTokenType.String, $"__metadata__ '{Short(key)}' is not text");
            Require(Metadata.TryAdd(key, reader.GetString()!), $"__metadata__ '{Short(key)}' occurs twice");
        }
    }

    // Messages are built only on failure: a large model's would take more memory than its header.
    private Entry ReadEntry(string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw Wrong($"{Tensor(name)} is not described by an object");
        }

        WeightDtype? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string field = reader.GetString()!;
            reader.Read();
            switch (field)
            {
                case "dtype" when dtype is null:
                    string? text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
                    dtype = WeightDtype.FromSafetensorsName(text)
                        ?? throw Wrong($"{Tensor(name)} has dtype '{Short(text ?? "")}'; "
                            + $"known are {string.Join(' ', WeightDtype.All.Select(known => known.SafetensorsName))}");
                    break;
                case "shape" when shape is null:
                    shape = ReadSizes(name, "shape", ref reader);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadSizes(name, "data_offsets", ref reader);
                    break;
                default:
                    throw Wrong($"{Tensor(name)} has the field '{Short(field)}' twice, or should not have it");
            }
        }

        if (dtype is null || shape is null || offsets is null)
        {
            throw Wrong($"{Tensor(name)} lacks dtype, shape or data_offsets");
        }

        if (offsets.Length != 2 || offsets[0] > offsets[1])
        {
            string span = string.Join(", ", offsets.Take(4).Select(static offset => $"{offset}"));
            throw Wrong($"{Tensor(name)} has data_offsets [{span}]; two numbers, begin <= end, are expected");
        }

        long? bytes = dtype.ByteCount(shape);
        return bytes == offsets[1] - offsets[0] ? new Entry(dtype, shape, offsets[0], offsets[1]) : throw Wrong(
            $"{Tensor(name)} of shape [{string.Join(", ", shape)}] and dtype {dtype.SafetensorsName} takes {bytes?.ToString() ?? "more than 2^63"} bytes, "
            + $"but its data_offsets span {offsets[1] - offsets[0]}");
    }

    private long[] ReadSizes(string name, string field, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw Wrong($"{Tensor(name)}: {field} is not a list");
        }

        var sizes = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long size) || size < 0)
            {
                throw Wrong($"{Tensor(name)}: {field} holds something that is not a non-negative integer");
            }

            if (sizes.Count == StoredTensor.MaxRank)
            {
                throw Wrong($"{Tensor(name)}: {field} has more than {StoredTensor.MaxRank} numbers");
            }

            sizes.Add(size);
        }

        return [.. sizes];
    }

    // In the order of their offsets the tensors must cover the data without hole, overlap or remainder.
    private void CheckCoverage()
    {
        long covered = 0;
        foreach ((string name, Entry entry) in Entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin != covered)
            {
                throw Wrong($"{Tensor(name)} begins at byte {entry.Begin} of the data, but the tensors before it end at {covered}: "
                    + (entry.Begin > covered ? "a hole" : "an overlap"));
            }

            covered = entry.End;
        }

        long data = _file.Length - DataStart;
        Require(covered == data,
            $"the tensors take {covered} bytes, but there are {data} bytes of data: the file is {(covered > data ? "truncated" : "too long")}");
    }

    private void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw Wrong(problem);
        }
    }

    private WeightFileException Wrong(string problem) => _file.Fault($"bad safetensors header: {problem}.");

    private static string Tensor(string name) => $"tensor '{Short(name)}'";

    private static string Short(string name) => name.Length <= 100 ? name : name[..100] + "...";
}
