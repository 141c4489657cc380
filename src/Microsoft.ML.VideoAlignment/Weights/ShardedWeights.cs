using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Weights in several files with an index.json, whose <c>weight_map</c> says which file of the same folder has which tensor.</summary>
/// <remarks>
/// Shards are safetensors or PyTorch files. All of them are opened and checked with the index, so that no tensor of an incomplete set is returned.
/// </remarks>
internal sealed class ShardedWeights : IWeightSource
{
    private const int MaxIndexBytes = 64 << 20;

    private readonly Dictionary<string, IWeightSource> _shards = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _map;

    /// <summary>Opens an index and all its shards.</summary>
    /// <param name="path">The index.</param>
    /// <exception cref="WeightFileException">The index, or one of its files, is missing or unsound.</exception>
    public ShardedWeights(string path)
    {
        Location = path;
        try
        {
            _map = ReadMap(path);
            foreach (string name in _map.Values.Distinct(StringComparer.Ordinal))
            {
                _shards.Add(name, WeightFile.OpenSingle(Path.Combine(Path.GetDirectoryName(path) ?? "", name)));
            }

            Entries = _map.ToDictionary(pair => pair.Key, pair => Find(pair.Value, pair.Key), StringComparer.Ordinal);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Location { get; }

    public IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    public Tensor Read(string name) => Shard(name).Read(name);

    public void ReadInPieces(string name, long unit, Action<Tensor> take) => Shard(name).ReadInPieces(name, unit, take);

    public void Dispose()
    {
        foreach (IWeightSource shard in _shards.Values)
        {
            shard.Dispose();
        }
    }

    private WeightInfo Find(string shard, string name) =>
        _shards[shard].Entries.TryGetValue(name, out WeightInfo info) ? info : throw Fault($"tensor '{name}' should be in {shard}, but is not.");

    private IWeightSource Shard(string name) =>
        _map.TryGetValue(name, out string? shard) ? _shards[shard] : throw Fault($"has no tensor '{name}'.");

    private Dictionary<string, string> ReadMap(string path)
    {
        JsonElement index = JsonFile.ReadObject(path, MaxIndexBytes);
        if (!index.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw Fault("is not an index of shards: weight_map should be an object of tensor names and file names.");
        }

        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string shard = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : "";
            if (shard is "" or "." or ".." || shard.AsSpan().IndexOfAny("/\\:\0") >= 0)
            {
                throw Fault($"weight_map sends '{property.Name}' to '{shard}', which is not a plain file name in the index's folder.");
            }

            if (!names.TryAdd(property.Name, shard))
            {
                throw Fault($"weight_map names '{property.Name}' twice.");
            }
        }

        return names;
    }

    private WeightFileException Fault(string problem) => new(Location, problem);
}
