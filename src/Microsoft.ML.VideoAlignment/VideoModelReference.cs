using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The base model that a saved alignment belongs to.</summary>
/// <param name="Family">Such as "ModelScope".</param>
/// <param name="Source">The folder or file it was loaded from when the alignment was saved, its id of the hub, or the name of an embedded model: see <see cref="Kind"/>.</param>
/// <param name="Hash">SHA-256 over its weights, hexadecimal.</param>
public sealed record VideoModelReference(string Family, string Source, string Hash)
{
    /// <summary>What <see cref="Source"/> is. Default, and where the file does not say: a path.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter))]
    public VideoModelSourceKind Kind { get; init; }

    /// <summary>The commit of a model of the hub; null for others.</summary>
    public string? Revision { get; init; }

    /// <summary>See <see cref="VideoModelOptions.Variant"/>.</summary>
    public string? Variant { get; init; }

    /// <summary>See <see cref="VideoModelOptions.Precision"/>.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter))]
    public WeightPrecision Precision { get; init; }

    /// <summary>See <see cref="VideoModelOptions.TokenizerPath"/>.</summary>
    public string? TokenizerPath { get; init; }

    /// <summary>See <see cref="VideoModelOptions.ConfigurationPath"/>.</summary>
    public string? ConfigurationPath { get; init; }

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

    /// <summary>What is wrong with a reference that a file gave, whatever the program allows; null: nothing.</summary>
    internal string? Fault() => Variant is { } variant && (!HubModel.IsPlain(variant) || variant.Contains('/', StringComparison.Ordinal))
        ? $"'{variant}' is no variant of file names."
        : Kind switch
        {
            VideoModelSourceKind.Path => null,
            VideoModelSourceKind.Embedded => NamesEmbedded ? null : "this version of the library has no embedded model of this name. Update it.",
            VideoModelSourceKind.Hub => !HubModel.IsId(Source) ? "it is no id of the hub, \"owner/name\": the file is damaged or forged."
                : Path.Exists(Source) ? "the working directory has a file or folder of this name, which would be taken for it: run the program elsewhere, "
                    + "or open the model yourself and pass it to RegisterVideoAlignment."
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

    /// <summary>The source as an error names it.</summary>
    internal string SourceInWords => Revision is null ? Source : $"{Source} at {Revision}";
}
