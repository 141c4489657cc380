using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What a model file says of a reward: its kind, the files it was made from, and its settings.</summary>
/// <remarks>
/// Files are named by path and SHA-256 and never copied; when the model is loaded they are checked before the reward is made. A kind is a name, never a
/// type: what it makes is what the program gave to <see cref="VideoRewards.Register"/>.
/// </remarks>
public sealed class SavedReward
{
    /// <summary>Names a reward without settings.</summary>
    /// <param name="kind">The kind under which the reward is registered.</param>
    public SavedReward(string kind)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(kind);
        Kind = kind;
    }

    /// <summary>The kind under which the reward is registered.</summary>
    public string Kind { get; }

    /// <summary>Paths of the files and folders that the reward was made from, by what each is for. Default: none.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>();

    /// <summary>The settings as JSON; null: none.</summary>
    internal JsonElement? Settings { get; init; }

    /// <summary>Hash of files that ship with a package and are not named by path; null: none. A reward with another hash is refused.</summary>
    internal string? ContentHash { get; init; }

    /// <summary>Names a reward with settings.</summary>
    /// <typeparam name="TSettings">A type that System.Text.Json can write, such as a record.</typeparam>
    /// <param name="kind">The kind under which the reward is registered.</param>
    /// <param name="settings">Everything besides the files that decides what the reward scores.</param>
    /// <param name="json">How settings are written, from a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <param name="files">Files and folders that the reward was made from, each with what it is for.</param>
    /// <returns>What <see cref="VideoReward.Save"/> returns.</returns>
    public static SavedReward Create<TSettings>(string kind, TSettings settings, JsonTypeInfo<TSettings> json, params (string Role, string Path)[] files)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(files);
        return new SavedReward(kind)
        {
            Settings = JsonSerializer.SerializeToElement(settings, json),
            Files = files.ToDictionary(file => file.Role, file => file.Path, StringComparer.Ordinal),
        };
    }

    /// <summary>Reads the settings.</summary>
    /// <typeparam name="TSettings">The type that was written.</typeparam>
    /// <param name="json">How settings are read, from a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>.</param>
    /// <returns>The settings. They come from a file that may have been changed: check ranges before they are used.</returns>
    /// <exception cref="InvalidDataException">There are none, or they have another form.</exception>
    public TSettings GetSettings<TSettings>(JsonTypeInfo<TSettings> json)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (Settings is not { } settings)
        {
            throw new InvalidDataException($"The saved reward {Kind} has no settings; expected {typeof(TSettings).Name}.");
        }

        try
        {
            return settings.Deserialize(json)
                ?? throw new InvalidDataException($"The settings of the saved reward {Kind} are null; expected {typeof(TSettings).Name}.");
        }
        catch (Exception exception) when (exception is JsonException or NotSupportedException)
        {
            throw new InvalidDataException($"The settings of the saved reward {Kind} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Finds the path of a file.</summary>
    /// <param name="role">What the file is for.</param>
    /// <returns>Where the file is now.</returns>
    /// <exception cref="InvalidDataException">The model file names none for it.</exception>
    public string GetFile(string role)
    {
        ArgumentNullException.ThrowIfNull(role);
        return Files.GetValueOrDefault(role) ?? throw new InvalidDataException($"The saved reward {Kind} lacks its file '{role}'.");
    }

    /// <summary>The same settings and files under another kind, whose files ship with a package.</summary>
    /// <param name="kind">The other kind.</param>
    /// <param name="contentHash">Hash of the files.</param>
    /// <returns>A reward that names no path.</returns>
    internal SavedReward AsEmbedded(string kind, string contentHash) => new(kind) { Settings = Settings, ContentHash = contentHash };
}
