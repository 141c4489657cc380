using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>How a reward is written into a model file: what kind it is, which files it was made from (by hash, never the files themselves), and its arguments.</summary>
internal sealed record RewardReference
{
    public const string MixKind = "Mix";

    private const string DtypeArgument = "weights";

    /// <summary>Which constructor, such as "Aesthetic".</summary>
    public required string Kind { get; init; }

    /// <summary>The files and folders it was made from, by role. Embedded models have none.</summary>
    public IReadOnlyDictionary<string, FileReference> Files { get; init; } = new Dictionary<string, FileReference>();

    /// <summary>Other arguments of the constructor.</summary>
    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();

    /// <summary>The parts of a sum.</summary>
    public IReadOnlyList<WeightedPart> Parts { get; init; } = [];

    [JsonIgnore]
    public bool IsMix => Kind == MixKind;

    /// <summary>Whether everything is there: JSON may leave a list out, or hold null in its place or in it.</summary>
    private bool IsWhole => Files is not null && Arguments is not null && Parts is not null
        && Files.Values.All(file => file is not null) && Arguments.Values.All(value => value is not null)
        && Parts.All(part => part is not null && part.Reward.IsWhole);

    /// <summary>A reward made of files; weights that are stored smaller than float32 are part of what it is.</summary>
    public static RewardReference Create(string kind, Placement placement, params (string Role, string Path)[] files) => new()
    {
        Kind = kind,
        Files = files.ToDictionary(file => file.Role, file => FileReference.Create(file.Path), StringComparer.Ordinal),
        Arguments = placement.StoredAs == Placement.Cpu.StoredAs
            ? new Dictionary<string, string>()
            : new Dictionary<string, string> { [DtypeArgument] = placement.StoredAs },
    };

    /// <summary>An argument of the constructor.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of this name.</exception>
    public string Argument(string name) => Arguments.GetValueOrDefault(name)
        ?? throw new InvalidDataException($"The model's reward {Kind} lacks its argument '{name}'.");

    /// <summary>An argument of the constructor that is no text.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">There is none of this name, or it has another form.</exception>
    public T Argument<T>(string name)
        where T : IParsable<T> => T.TryParse(Argument(name), CultureInfo.InvariantCulture, out T? value) ? value : throw Unreadable(name);

    /// <summary>An argument of the constructor that is one of several names.</summary>
    /// <inheritdoc cref="Argument{T}(string)"/>
    public T Choice<T>(string name)
        where T : struct, Enum => Enum.TryParse(Argument(name), out T value) && Enum.IsDefined(value) ? value : throw Unreadable(name);

    /// <summary>How the weights were stored.</summary>
    /// <exception cref="InvalidDataException">In a type that this version does not know.</exception>
    public Placement StoredAs() => !Arguments.TryGetValue(DtypeArgument, out string? name) ? Placement.Cpu
        : name == nameof(WeightPrecision.Int8) ? Placement.OnCpu(WeightPrecision.Int8)
        : Enum.TryParse(name, out ScalarType dtype) ? Placement.Cpu with { Dtype = dtype }
        : throw new InvalidDataException($"The model's reward has weights of type '{name}', which this version of the library does not know.");

    public string ToJson() => JsonSerializer.Serialize(this, RewardReferenceJson.Default.RewardReference);

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

    /// <summary>
    /// Checks every file against its hash and makes the reward again. <paramref name="make"/> builds a plain reward from its reference and the places
    /// of its files, by role; <paramref name="moved"/> gives new places for files that are no longer where they were, by old path.
    /// </summary>
    /// <exception cref="FileNotFoundException">Files are missing; the message names all of them.</exception>
    /// <exception cref="InvalidDataException">Files are there but not the same, and the message names all of them; or the reference contradicts itself.</exception>
    /// <exception cref="RewardContractException">A sum's parts or weights do not go together.</exception>
    public VideoReward Resolve(Func<RewardReference, RewardFiles, VideoReward> make, IReadOnlyDictionary<string, string>? moved = null)
    {
        // All files first, so that nothing large is loaded when something is missing, and one message names everything.
        (string Role, FileReference File, string Place)[] files = [.. AllFiles().Select(file => (file.Role, file.File, moved?.GetValueOrDefault(file.File.Path) ?? file.File.Path))];
        string[] missing = [.. files.Where(file => !FileReference.Exists(file.Place)).Select(file => $"{file.Role}: {file.Place}")];
        if (missing.Length > 0)
        {
            throw new FileNotFoundException($"The model's reward was made from files that are no longer there: {string.Join("; ", missing)}. " +
                "Put them back, say where they are now, or load the model without its reward.", missing[0]);
        }

        string[] changed = [.. files.Where(file => FileReference.Create(file.Place).Sha256 != file.File.Sha256).Select(file => $"{file.Role}: {file.Place}")];
        if (changed.Length > 0)
        {
            throw new InvalidDataException($"The model's reward was made from other contents of: {string.Join("; ", changed)}. Scores would not mean the same.");
        }

        try
        {
            return Make(make, moved);
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"The model's reward {Kind} cannot be made again from what the model file says: {exception.Message}", exception);
        }
    }

    private InvalidDataException Unreadable(string name) =>
        new($"The model's reward {Kind} has '{Arguments[name]}' as its argument '{name}', which this version of the library cannot read.");

    private VideoReward Make(Func<RewardReference, RewardFiles, VideoReward> make, IReadOnlyDictionary<string, string>? moved)
    {
        if (!IsMix)
        {
            var places = Files.ToDictionary(file => file.Key, file => moved?.GetValueOrDefault(file.Value.Path) ?? file.Value.Path, StringComparer.Ordinal);
            return make(this, new RewardFiles(Kind, places));
        }

        var parts = new List<(VideoReward Reward, float Weight)>();
        try
        {
            foreach (WeightedPart part in Parts)
            {
                parts.Add((part.Reward.Make(make, moved), part.Weight));
            }

            return RewardMix.FromReference(this, parts);
        }
        catch
        {
            parts.ForEach(part => part.Reward.Dispose());
            throw;
        }
    }

    /// <summary>The files of this reward and of its parts, with what each is for.</summary>
    public IEnumerable<(string Role, FileReference File)> AllFiles() =>
        AllKinds().SelectMany(part => part.Files.Select(file => ($"{part.Kind} {file.Key}", file.Value)));

    /// <summary>This reward and its parts, and theirs.</summary>
    public IEnumerable<RewardReference> AllKinds() => Parts.SelectMany(part => part.Reward.AllKinds()).Prepend(this);

    /// <summary>A part of a sum.</summary>
    public sealed record WeightedPart(float Weight, RewardReference Reward);

    /// <summary>A file or folder, and the SHA-256 of what is in it (a folder: of the names and hashes of the model files at its top, ordered by name).</summary>
    public sealed record FileReference(string Path, string Sha256)
    {
        public static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

        public static FileReference Create(string path) => new(System.IO.Path.GetFullPath(path), Directory.Exists(path) ? HashFolder(path) : HashFile(path));

        private static string HashFile(string path)
        {
            using FileStream stream = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }

        private static string HashFolder(string path)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (string file in ModelFiles(path).Order(StringComparer.Ordinal))
            {
                hash.AppendData(System.Text.Encoding.UTF8.GetBytes($"{System.IO.Path.GetFileName(file)}\n{HashFile(file)}\n"));
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }

        /// <summary>Configuration, vocabulary and weights at the top of a folder; a download may hold the weights again for other frameworks.</summary>
        private static IEnumerable<string> ModelFiles(string path)
        {
            string[] safetensors = Directory.GetFiles(path, "*.safetensors");
            return [.. Directory.GetFiles(path, "*.json"), .. Directory.GetFiles(path, "*.txt"), .. safetensors.Length > 0 ? safetensors : Directory.GetFiles(path, "*.bin")];
        }
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RewardReference))]
internal sealed partial class RewardReferenceJson : JsonSerializerContext;
