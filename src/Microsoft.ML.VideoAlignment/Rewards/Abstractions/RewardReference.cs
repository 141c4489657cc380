using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>A reward as it stands in a model file: its kind, the files it was made from (by hash, never the files themselves), and its settings.</summary>
internal sealed record RewardReference
{
    public const string MixKind = "Mix";

    /// <summary>Which definition of the catalog, such as "Aesthetic".</summary>
    public required string Kind { get; init; }

    /// <summary>The files and folders the reward was made from, by role. Embedded models have none.</summary>
    public IReadOnlyDictionary<string, FileReference> Files { get; init; } = new Dictionary<string, FileReference>();

    /// <summary>What else decides what the reward scores, in its own form; null: nothing, or <see cref="Arguments"/> have it.</summary>
    public JsonElement? Settings { get; init; }

    /// <summary>Hash of files that ship with a package; null: <see cref="Files"/> name them all.</summary>
    public string? ContentHash { get; init; }

    /// <summary>The running moments of each part of a normalized sum; null: another kind.</summary>
    public IReadOnlyList<string>? PartMoments { get; init; }

    /// <summary>Settings as versions before 0.2 wrote them, all as text; null: there are none.</summary>
    public IReadOnlyDictionary<string, string>? Arguments { get; init; }

    /// <summary>The parts of a sum.</summary>
    public IReadOnlyList<WeightedPart> Parts { get; init; } = [];

    [JsonIgnore]
    public bool IsMix => Kind == MixKind;

    /// <summary>Whether everything is there: JSON may leave a list out, or hold null in its place or in it.</summary>
    private bool IsWhole => Kind is not null && Files is not null && Parts is not null && Files.Values.All(file => file is not null)
        && Arguments?.Values.Any(value => value is null) != true && PartMoments?.Any(moments => moments is null) != true
        && Parts.All(part => part is not null && part.Reward.IsWhole);

    /// <summary>Hashes the files of a reward.</summary>
    /// <param name="saved">What the reward says of itself.</param>
    /// <returns>The reward as a model file holds it.</returns>
    public static RewardReference FromSaved(SavedReward saved) => new()
    {
        Kind = saved.Kind,
        Files = saved.Files.ToDictionary(file => file.Key, file => FileReference.Create(file.Value), StringComparer.Ordinal),
        Settings = saved.Settings,
        ContentHash = saved.ContentHash,
    };

    public string ToJson() => JsonSerializer.Serialize(this, RewardReferenceJson.Default.RewardReference);

    /// <summary>Reads a reference.</summary>
    /// <param name="json">What stands in the model file.</param>
    /// <returns>The reference, whole in form; what it says is not checked yet.</returns>
    /// <exception cref="InvalidDataException">The text is not a reward reference.</exception>
    public static RewardReference FromJson(string json)
    {
        try
        {
            RewardReference reference = JsonSerializer.Deserialize(json, RewardReferenceJson.Default.RewardReference)
                ?? throw new InvalidDataException("The model file's reward is empty.");
            return reference.IsWhole ? reference
                : throw new InvalidDataException("The model file's reward is damaged: its files, arguments or parts, or one of them, are missing.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"The model file's reward cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>The files of this reward and of its parts, with what each is for.</summary>
    public IEnumerable<(string Role, FileReference File)> AllFiles() =>
        AllKinds().SelectMany(part => part.Files.Select(file => ($"{part.Kind} {file.Key}", file.Value)));

    /// <summary>This reward and its parts, and theirs.</summary>
    public IEnumerable<RewardReference> AllKinds() => Parts.SelectMany(part => part.Reward.AllKinds()).Prepend(this);

    /// <summary>A part of a sum.</summary>
    /// <param name="Weight">A finite number other than 0.</param>
    /// <param name="Reward">The part.</param>
    public sealed record WeightedPart(float Weight, RewardReference Reward);
}

[JsonSourceGenerationOptions(
    WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RewardReference))]
internal sealed partial class RewardReferenceJson : JsonSerializerContext;
