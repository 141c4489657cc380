namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A safetensors file. The whole header is checked when it is opened; tensors are then streamed one by one, of any size.</summary>
internal sealed class SafetensorsFile : IWeightSource
{
    private readonly FileBytes _file;
    private readonly SafetensorsHeader _header;

    /// <exception cref="WeightFileException">The file is no sound safetensors file.</exception>
    public SafetensorsFile(string path)
        : this(new FileBytes(path))
    {
    }

    /// <summary>A file's content in memory.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="content">The content; not to be changed while this is open.</param>
    /// <exception cref="WeightFileException">The content is no sound safetensors file.</exception>
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

    /// <summary>The header's __metadata__; empty where there is none.</summary>
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

    private SafetensorsHeader.Entry Find(string name) => _header.Entries.TryGetValue(name, out SafetensorsHeader.Entry entry) ? entry : throw _file.Fault($"has no tensor '{name}'.");

    private Stream Open(SafetensorsHeader.Entry entry) => _file.Slice(_header.DataStart + entry.Begin, entry.End - entry.Begin);
}
