using System.Text.Json;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>config.json and the weights of a transformers folder: model.safetensors before pytorch_model.bin, each whole or in shards with an index.</summary>
internal sealed class ClipFolder : IDisposable
{
    /// <exception cref="WeightFileException">The folder lacks the configuration or the weights.</exception>
    public ClipFolder(string folder, string? variant)
    {
        var files = new DiffusersFolder(folder);
        Config = files.Config();
        Weights = files.OpenWeights(variant);
    }

    public JsonElement Config { get; }

    public IWeightSource Weights { get; }

    public void Dispose() => Weights.Dispose();
}
