using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The base model that a saved alignment belongs to.</summary>
/// <param name="Family">The model's family, such as "ModelScope".</param>
/// <param name="Source">
/// The folder or file it was loaded from when the alignment was saved, its hub id, or the name of an embedded model (<see cref="Kind"/> says which).
/// </param>
/// <param name="Hash">SHA-256 over its weights, hexadecimal.</param>
public sealed record VideoModelReference(string Family, string Source, string Hash)
{
    /// <summary>What <see cref="Source"/> is; a path by default, also where the file does not say.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter))]
    public VideoModelSourceKind Kind { get; init; }

    /// <summary>The commit of a model of the hub; null: the model is not from the hub.</summary>
    public string? Revision { get; init; }

    /// <summary>The <see cref="VideoModelOptions.Variant"/> that the model was loaded with; null: none.</summary>
    public string? Variant { get; init; }

    /// <summary>The <see cref="VideoModelOptions.Precision"/> that the model was loaded with.</summary>
    [JsonConverter(typeof(WeightPrecisionNames))]
    public WeightPrecision Precision { get; init; }

    /// <summary>The <see cref="VideoModelOptions.TokenizerPath"/> that the model was loaded with; null: none.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>The <see cref="VideoModelOptions.ConfigurationPath"/> that the model was loaded with; null: none.</summary>
    public string? ConfigurationPath { get; init; }

    /// <summary>Makes the reference of a loaded model.</summary>
    /// <param name="model">The model.</param>
    internal static VideoModelReference Create(VideoDiffusionModel model)
    {
        VideoModelOptions options = model.LoadedWith;
        (VideoModelSourceKind kind, string source) = model.HubOrigin is { } hub ? (VideoModelSourceKind.Hub, hub.Id)
            : model.ComesWithPackage ? (VideoModelSourceKind.Embedded, model.Source)
            : (VideoModelSourceKind.Path, Path.Exists(model.Source) ? Path.GetFullPath(model.Source) : model.Source);
        return new VideoModelReference(model.Family, source, model.Hash)
        {
            Kind = kind,
            Revision = model.HubOrigin?.Commit,
            Variant = options.Variant,
            Precision = options.Precision,
            TokenizerPath = options.TokenizerPath is null ? null : Path.GetFullPath(options.TokenizerPath),
            ConfigurationPath = options.ConfigurationPath is null ? null : Path.GetFullPath(options.ConfigurationPath),
        };
    }

    /// <summary>Whether <see cref="Source"/> is the name of a package's model; files of earlier versions say so without a <see cref="Kind"/>.</summary>
    internal bool NamesEmbedded => CompanionPackages.HasModel(Source);

    /// <summary>Finds what is wrong with a reference that a file gave, whatever the program allows.</summary>
    /// <returns>A sentence; null: the reference is valid.</returns>
    internal string? Fault() => Variant is { } variant && (!HubModel.IsSafePath(variant) || variant.Contains('/', StringComparison.Ordinal))
        ? $"'{variant}' is not a variant of file names."
        : Kind switch
        {
            VideoModelSourceKind.Path => null,
            VideoModelSourceKind.Embedded => NamesEmbedded ? null : "this version of the library has no embedded model of this name. Update it.",
            VideoModelSourceKind.Hub => !HubModel.IsId(Source) ? "it is not a hub id, \"owner/name\": the file is damaged or forged."
                : Path.Exists(Source) ? "the working directory has a file or folder of this name, which would be opened in its place: "
                    + "run the program elsewhere, or open the model yourself and pass it to RegisterVideoAlignment."
                : null,
            _ => $"its {nameof(Kind)} {(int)Kind} is of a newer version of the library. Update it.",
        };

    /// <summary>What the model was loaded with.</summary>
    /// <param name="hub">How a model of the hub is looked for; null: in the local cache alone.</param>
    internal VideoModelOptions ToOptions(HubOptions? hub = null)
    {
        HubOptions found = Kind == VideoModelSourceKind.Hub && hub is not null ? hub : new HubOptions { Offline = true };
        return new VideoModelOptions
        {
            Variant = Variant,
            Precision = Precision,
            TokenizerPath = TokenizerPath,
            ConfigurationPath = ConfigurationPath,
            Hub = Revision is null ? found : found with { Revision = Revision },
        };
    }

    /// <summary>The source, with the revision where there is one, for messages.</summary>
    internal string SourceInWords => Revision is null ? Source : $"{Source} at {Revision}";
}
