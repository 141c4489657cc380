using System.Text.Json;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>config.json and the weights of a transformers folder: model.safetensors before pytorch_model.bin, each whole or in shards with an index.</summary>
internal sealed class ClipFolder : IDisposable
{
    private readonly DiffusersFolder _files;

    /// <summary>Opens a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    /// <exception cref="WeightFileException">The folder lacks the configuration or the weights.</exception>
    public ClipFolder(string folder, string? variant)
        : this(new DiffusersFolder(folder), variant)
    {
    }

    /// <inheritdoc cref="ClipFolder(string, string?)"/>
    public ClipFolder(DiffusersFolder folder, string? variant)
    {
        _files = folder;
        _files.ReadConfig();
        Weights = _files.OpenWeights(variant);
    }

    /// <inheritdoc cref="DiffusersFolder.Parse"/>
    public T Parse<T>(Func<JsonElement, T> read) => _files.Parse(read);

    public IWeightSource Weights { get; }

    public void Dispose() => Weights.Dispose();
}
