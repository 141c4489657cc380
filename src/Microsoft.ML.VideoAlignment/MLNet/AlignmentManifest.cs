using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>The settings.json of a saved alignment: everything but the weights.</summary>
internal sealed record AlignmentManifest
{
    /// <summary>The version that this code writes, and the newest that it reads.</summary>
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    public required string OutputColumn { get; init; }

    public string? PromptColumn { get; init; }

    public string? SeedColumn { get; init; }

    public string? ImageColumn { get; init; }

    public required VideoModelReference BaseModel { get; init; }

    public required SamplingSettings Sampling { get; init; }

    /// <summary>The run's seed, from which the rows' seeds are derived (<see cref="RowSeed"/>).</summary>
    public required int Seed { get; init; }

    public required JsonObject Training { get; init; }

    /// <summary>What the run computed in; null: what is usual on the device, as in files of a version that did not write it.</summary>
    public SavedPrecision? Precision { get; init; }

    /// <summary>Whether the zip holds adapters, without which the videos would be the base model's; null: saved by a version that did not write it.</summary>
    public bool? HasAdapters { get; init; }

    /// <summary>The base model's files inside the zip, by their paths in its folder; empty: the model is saved by reference.</summary>
    public IReadOnlyList<string> BaseFiles { get; init; } = [];

    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, s_json);

    /// <summary>Reads settings and checks them.</summary>
    /// <param name="json">The content of settings.json, UTF-8.</param>
    /// <exception cref="FormatException">The text is not a manifest, is damaged, or is of a newer version.</exception>
    public static AlignmentManifest Parse(byte[] json)
    {
        AlignmentManifest manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<AlignmentManifest>(json, s_json) ?? throw new FormatException("The saved alignment's settings are empty.");
        }
        catch (JsonException error)
        {
            throw new FormatException($"The saved alignment's settings cannot be read: {error.Message}", error);
        }

        return manifest.Version <= CurrentVersion
            ? manifest.Fault() is { } fault ? throw new FormatException($"The saved alignment's settings are damaged: {fault}.") : manifest
            : throw new FormatException($"The alignment was saved in format {manifest.Version}; this library reads formats up to {CurrentVersion}. Update it.");
    }

    private string? Fault() => string.IsNullOrEmpty(OutputColumn) ? "the output column has no name"
        : BaseFiles.Any(string.IsNullOrEmpty) ? "a file of the base model has no name"
        : Precision?.Fault() ?? Sampling.Fault();
}
