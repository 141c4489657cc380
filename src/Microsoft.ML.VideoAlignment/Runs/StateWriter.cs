using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// Gathers the state of a run under names: numbers and texts as JSON, tensors and lists as tensors. Tensors are shared, not copied, so they must not be changed
/// in place between gathering and writing.
/// </summary>
internal sealed class StateWriter : IDisposable
{
    private readonly JsonObject _values;
    private readonly Dictionary<string, Tensor> _tensors;
    private readonly string _path;

    public StateWriter()
        : this([], new Dictionary<string, Tensor>(StringComparer.Ordinal), "")
    {
    }

    private StateWriter(JsonObject values, Dictionary<string, Tensor> tensors, string path) => (_values, _tensors, _path) = (values, tensors, path);

    /// <summary>Numbers and texts, nested by section.</summary>
    public JsonObject Values => _values;

    /// <summary>Tensors by their full names, "SECTION/NAME"; owned by this object.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>Adds a section for a part.</summary>
    /// <param name="name">A name that is not used yet.</param>
    /// <returns>The section, which shares this object's content.</returns>
    public StateWriter AddSection(string name)
    {
        var values = new JsonObject();
        _values.Add(name, values);
        return new StateWriter(values, _tensors, $"{_path}{name}/");
    }

    public void Write(string name, long value) => _values.Add(name, value);

    public void Write(string name, bool value) => _values.Add(name, value);

    public void Write(string name, string value) => _values.Add(name, value);

    /// <summary>Writes the shortest text that reads back as the same number; NaN and infinities, which JSON does not have, as names.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="value">Any double.</param>
    public void Write(string name, double value) => _values.Add(name, StateNumber.ToText(value));

    /// <summary>Writes a tensor of any shape, device and strides.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="tensor">The tensor; shared, not copied.</param>
    public void Write(string name, Tensor tensor)
    {
        using DisposeScope scope = NewDisposeScope();
        _tensors.Add(_path + name, tensor.detach().alias().DetachFromDisposeScope());
    }

    public void WriteList(string name, IReadOnlyList<double> values) => Add(name, tensor([.. values], dtype: ScalarType.Float64));

    public void WriteList(string name, IReadOnlyList<int> values) =>
        Add(name, tensor([.. values.Select(static value => (long)value)], dtype: ScalarType.Int64));

    /// <summary>Writes texts as the bytes of a JSON list: there may be many.</summary>
    /// <param name="name">Name within the section.</param>
    /// <param name="values">The texts.</param>
    public void WriteList(string name, IReadOnlyList<string> values) =>
        Add(name, tensor(JsonSerializer.SerializeToUtf8Bytes(values), dtype: ScalarType.Byte));

    /// <summary>Adds what another writer gathered; its tensors are shared.</summary>
    /// <param name="other">Holds only sections that this object does not have yet.</param>
    public void Add(StateWriter other)
    {
        foreach ((string name, JsonNode? value) in other._values)
        {
            _values.Add(name, value?.DeepClone());
        }

        foreach ((string name, Tensor tensor) in other._tensors)
        {
            Write(name, tensor);
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values)
        {
            tensor.Dispose();
        }

        _tensors.Clear();
    }

    private void Add(string name, Tensor tensor) => _tensors.Add(_path + name, tensor.DetachFromDisposeScope());
}
