namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A safetensors file. The whole header is checked when the file is opened; tensors of any size are then streamed one by one.</summary>
internal sealed class SafetensorsFile : IWeightSource
{
    private readonly FileBytes _file;
    private readonly SafetensorsHeader _header;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is not a sound safetensors file.</exception>
    public SafetensorsFile(string path)
        : this(new FileBytes(path))
    {
    }

    /// <summary>Opens a file's content in memory.</summary>
    /// <param name="name">The name in messages.</param>
    /// <param name="content">The content; it must not change while this object is open.</param>
    /// <exception cref="WeightFileException">The content is not a sound safetensors file.</exception>
    public SafetensorsFile(string name, ReadOnlyMemory<byte> content)
        : this(new FileBytes(name, content))
    {
    }

    private SafetensorsFile(FileBytes file)
    {
        _file = file;
        try
        {
            _header = SafetensorsHeader.Read(_file);
        }
        catch
        {
            _file.Dispose();
            throw;
        }

        Entries = _header.Entries.ToDictionary(pair => pair.Key, pair => new WeightInfo(pair.Value.Dtype.Delivered, pair.Value.Shape), StringComparer.Ordinal);
    }

    public string Location => _file.Location;

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    /// <summary>The header's __metadata__; empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    public Tensor Read(string name)
    {
        SafetensorsHeader.Entry entry = Find(name);
        using Stream data = Open(entry);
        return entry.Dtype.ReadTensor(entry.Shape, data);
    }

    public void ReadInPieces(string name, long unit, Action<Tensor> take)
    {
        SafetensorsHeader.Entry entry = Find(name);
        using Stream data = Open(entry);
        entry.Dtype.ReadInPieces((entry.End - entry.Begin) / entry.Dtype.Size, unit, data, take);
    }

    public void Dispose() => _file.Dispose();

    private SafetensorsHeader.Entry Find(string name) =>
        _header.Entries.TryGetValue(name, out SafetensorsHeader.Entry entry) ? entry : throw _file.Fault($"has no tensor '{name}'.");

    private Stream Open(SafetensorsHeader.Entry entry) => _file.OpenSlice(_header.DataStart + entry.Begin, entry.End - entry.Begin);
}
