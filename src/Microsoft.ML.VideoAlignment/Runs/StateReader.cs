using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>Reads what a <see cref="StateWriter"/> gathered. Every name, kind, size and range is checked: the file may be hostile.</summary>
/// <param name="values">Numbers and texts of the section.</param>
/// <param name="tensors">Tensors of the whole state.</param>
/// <param name="path">Prefix of the names of the section's tensors.</param>
internal sealed class StateReader(JsonObject values, IWeightSource tensors, string path = "")
{
    /// <summary>Whether the section holds nothing.</summary>
    public bool IsEmpty => values.Count == 0 && !tensors.Entries.Keys.Any(name => name.StartsWith(path, StringComparison.Ordinal));

    /// <summary>Opens the section of a part; empty where the state has none of this name.</summary>
    /// <param name="name">Name within this section.</param>
    public StateReader OpenSection(string name) =>
        new(values[name] switch { null => [], JsonObject section => section, _ => throw CreateFault(name, "is not a section") }, tensors, $"{path}{name}/");

    public long ReadInteger(string name, long minimum = 0, long maximum = long.MaxValue) =>
        values[name] is JsonValue value && value.TryGetValue(out long number) && number >= minimum && number <= maximum
            ? number
            : throw CreateFault(name, $"is not a whole number from {minimum} to {maximum}");

    public bool ReadFlag(string name) =>
        values[name] is JsonValue value && value.TryGetValue(out bool flag) ? flag : throw CreateFault(name, "is neither true nor false");

    public string ReadText(string name) =>
        values[name] is JsonValue value && value.TryGetValue(out string? text) ? text : throw CreateFault(name, "is not a text");

    public double ReadNumber(string name) => StateNumber.TryParse(ReadText(name), out double number) ? number : throw CreateFault(name, "is not a number");

    /// <summary>Whether the section has a value or tensor of this name.</summary>
    /// <param name="name">Name within the section.</param>
    public bool Has(string name) => values.ContainsKey(name) || tensors.Entries.ContainsKey(path + name);

    /// <summary>Reads a tensor of known size.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="like">A tensor of the expected shape and dtype.</param>
    /// <returns>A tensor on the CPU, which the caller owns.</returns>
    /// <exception cref="RunFolderException">It is missing, or has another shape or dtype.</exception>
    public Tensor ReadTensorLike(string name, Tensor like) => ReadTensor(name, like.dtype, like.shape);

    /// <summary>Reads a tensor of known size.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="dtype">The expected dtype.</param>
    /// <param name="shape">The expected sizes; -1 accepts any.</param>
    /// <returns>A tensor on the CPU, which the caller owns.</returns>
    /// <exception cref="RunFolderException">It is missing, or has another shape or dtype.</exception>
    public Tensor ReadTensor(string name, ScalarType dtype, params IReadOnlyList<long> shape)
    {
        WeightInfo info = Entry(name);
        bool fits = info.Dtype == dtype && info.Shape.Count == shape.Count && info.Shape.Zip(shape).All(pair => pair.Second < 0 || pair.First == pair.Second);
        return fits
            ? tensors.Read(path + name)
            : throw CreateFault(name, $"is {info.Dtype} [{string.Join(", ", info.Shape)}], expected {dtype} [{string.Join(", ", shape)}]");
    }

    /// <summary>Reads a tensor of any size that outlives the scope of the call.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="device">Where to put the tensor.</param>
    /// <returns>The tensor, which the caller owns.</returns>
    /// <exception cref="RunFolderException">It is missing.</exception>
    public Tensor ReadAnyTensor(string name, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        _ = Entry(name);
        return tensors.Read(path + name).to(device).DetachFromDisposeScope();
    }

    public double[] ReadNumbers(string name)
    {
        using Tensor list = ReadTensor(name, ScalarType.Float64, -1);
        return list.data<double>().ToArray();
    }

    public int[] ReadIntegers(string name, int minimum = 0, int maximum = int.MaxValue)
    {
        using Tensor list = ReadTensor(name, ScalarType.Int64, -1);
        return
        [
            .. list.data<long>().Select(value => value >= minimum && value <= maximum
                ? (int)value
                : throw CreateFault(name, $"holds {value}, expected {minimum} to {maximum}")),
        ];
    }

    public string[] ReadTexts(string name)
    {
        using Tensor list = ReadTensor(name, ScalarType.Byte, -1);
        try
        {
            return JsonSerializer.Deserialize<string[]>(list.bytes) is { } texts && !texts.Contains(null) ? texts : throw CreateFault(name, "holds null");
        }
        catch (JsonException error)
        {
            throw CreateFault(name, $"is not a list of texts: {error.Message.TrimEnd('.')}");
        }
    }

    /// <summary>Creates the error for a value of this section.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="problem">What is wrong with it, such as "is missing".</param>
    public RunFolderException CreateFault(string name, string problem) =>
        new(
            tensors.Location,
            $"'{path}{name}' {problem}. The state was written by another version, or changed since. Name another RunFolder, or delete this file.");

    private WeightInfo Entry(string name) =>
        tensors.Entries.TryGetValue(path + name, out WeightInfo info) ? info : throw CreateFault(name, "is missing");
}
