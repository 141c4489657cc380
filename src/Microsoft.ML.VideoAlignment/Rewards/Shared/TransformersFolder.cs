using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>A transformers folder of one kind of network; another kind is refused by what its config.json says, before any weight is read.</summary>
internal static class TransformersFolder
{
    /// <summary>Opens a folder of the kind that is wanted.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="modelType">The config's model_type, such as "yolos".</param>
    /// <param name="architecture">The class with the heads that are needed, such as "YolosForObjectDetection".</param>
    /// <param name="example">A published model of this kind, for the error.</param>
    /// <exception cref="WeightFileException">There is no such folder, it has no config.json, or it holds another network.</exception>
    public static DiffusersFolder Open(string path, string modelType, string architecture, string example)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var folder = new DiffusersFolder(path);
        JsonElement config = folder.ReadConfig();
        string type = ConfigJson.Text(config, "model_type", modelType);
        IReadOnlyList<string> architectures = ConfigJson.Texts(config, "architectures", architecture);
        return type == modelType && architectures.Contains(architecture)
            ? folder
            : throw new WeightFileException(
                path, $"looks like {string.Join(", ", architectures)} (model_type '{type}' in config.json). Expected {architecture} " +
                $"(model_type '{modelType}'), such as {example}.");
    }
}
