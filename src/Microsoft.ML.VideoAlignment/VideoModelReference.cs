using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The base model that a saved alignment belongs to.</summary>
/// <param name="Family">Such as "ModelScope".</param>
/// <param name="Source">The folder or file it was loaded from when the alignment was saved, or the name of an embedded model.</param>
/// <param name="Hash">SHA-256 over its weights, hexadecimal.</param>
public sealed record VideoModelReference(string Family, string Source, string Hash)
{
    /// <summary>See <see cref="VideoModelOptions.Variant"/>.</summary>
    public string? Variant { get; init; }

    /// <summary>See <see cref="VideoModelOptions.Precision"/>.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter))]
    public WeightPrecision Precision { get; init; }

    /// <summary>See <see cref="VideoModelOptions.TokenizerPath"/>.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>See <see cref="VideoModelOptions.ConfigurationPath"/>.</summary>
    public string? ConfigurationPath { get; init; }

    internal static VideoModelReference Of(VideoDiffusionModel model)
    {
        VideoModelOptions options = model.LoadedWith;
        return new VideoModelReference(model.Family, Path.Exists(model.Source) && !IsEmbedded(model) ? Path.GetFullPath(model.Source) : model.Source, model.Hash)
        {
            Variant = options.Variant,
            Precision = options.Precision,
            TokenizerPath = options.TokenizerPath is null ? null : Path.GetFullPath(options.TokenizerPath),
            ConfigurationPath = options.ConfigurationPath is null ? null : Path.GetFullPath(options.ConfigurationPath),
        };
    }

    /// <summary>Whether the model comes with the library.</summary>
    internal static bool IsEmbedded(VideoDiffusionModel model) => model.Source is VideoDiffusionModel.MovingShapesSource or VideoDiffusionModel.MovingShapesImageToVideoSource;

    /// <summary>What the model was loaded with.</summary>
    internal VideoModelOptions ToOptions() => new() { Variant = Variant, Precision = Precision, TokenizerPath = TokenizerPath, ConfigurationPath = ConfigurationPath };
}
