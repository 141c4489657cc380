using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// A VideoCrafter checkpoint and what may lie beside it: the model's yaml, open_clip's description of its text tower, and the tokenizer's vocabulary, which no
/// checkpoint holds.
/// </summary>
internal sealed class VideoCrafterFiles
{
    /// <summary>What the checkpoint is called in every published folder.</summary>
    public const string CheckpointName = "model.ckpt";

    private const string ConfigName = "config.yaml";

    /// <summary>DeepSpeed's prefix "_forward_module." has 16 characters; the reference cuts off as many, whatever they are.</summary>
    private const int DeepSpeedPrefix = 16;

    /// <summary>The entry that holds the state dict, in the order the reference tries them.</summary>
    private static readonly string[] s_forms = ["module", "state_dict"];

    private static readonly string[] s_vocabularies = ["bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "tokenizer"];

    private readonly string? _configPath;

    /// <summary>Finds what lies beside a checkpoint, and reads the configuration.</summary>
    /// <param name="path">The checkpoint, or a folder with a model.ckpt.</param>
    /// <param name="configPath">The yaml; null: config.yaml beside the checkpoint, or none.</param>
    public VideoCrafterFiles(string path, string? configPath = null)
    {
        Checkpoint = Directory.Exists(path) ? Path.Combine(path, CheckpointName) : path;
        _configPath = configPath ?? Beside(ConfigName);
        Config = ReadConfig();
    }

    /// <summary>The path of the checkpoint.</summary>
    public string Checkpoint { get; }

    /// <summary>The model's configuration.</summary>
    public VideoCrafterConfig Config { get; }

    /// <summary>Tells by its name whether a listing is a checkpoint of lvdm's kind, or has one.</summary>
    /// <param name="listing">The files at a path.</param>
    public static bool Recognizes(ModelListing listing) =>
        listing.Has(CheckpointName) || (listing.Path.EndsWith(".ckpt", StringComparison.OrdinalIgnoreCase) && File.Exists(listing.Path));

    /// <summary>The checkpoint's state dict and the map from its names to keys of <see cref="VideoCrafterNetworks"/>; the caller disposes the source.</summary>
    /// <remarks>
    /// A file is <c>{"module": {16 characters + name: ...}}</c> (DeepSpeed), <c>{"state_dict": {...}}</c>, or the bare dict.
    /// </remarks>
    /// <exception cref="WeightFileException">The file is damaged, or holds no diffusion model.</exception>
    public (IWeightSource Source, KeyMap Map) Open()
    {
        IWeightSource source = WeightFile.OpenSingle(Checkpoint);
        try
        {
            KeyMap map = VideoCrafterNetworks.Keys(Config);
            if (source is TorchFile torch)
            {
                string? entry = s_forms.FirstOrDefault(name => (torch.Root as DictNode)?.Find(name) is DictNode);
                torch.Select(entry);
                if (entry == "module")
                {
                    Func<string, string?> rename = map.Rename!;
                    map = map with { Rename = name => rename(name[Math.Min(name.Length, DeepSpeedPrefix)..]) };
                }
            }

            return source.Entries.Keys.Any(name => map.MapName(name)?.StartsWith("unet.", StringComparison.Ordinal) == true)
                ? (source, map)
                : throw new WeightFileException(
                    Checkpoint, $"is not a VideoCrafter checkpoint: no name begins with model.diffusion_model. {FileContents.Describe(source)}");
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Loads every network, strictly: no name may be missing or left over, and the schedule must be the configuration's.</summary>
    /// <param name="placement">Where weights go and how they are stored.</param>
    /// <param name="notes">What of the checkpoint was left out, a sentence each.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="WeightFileException">
    /// The checkpoint is damaged, or is of another version than the configuration; the first differing names are listed.
    /// </exception>
    public VideoCrafterNetworks Load(Placement placement, out IReadOnlyList<string> notes, CancellationToken cancellation = default)
    {
        (IWeightSource file, KeyMap map) = Open();
        using (IWeightSource source = CancelableWeights.Watch(file, cancellation))
        {
            notes = IgnoredCheckpointKeys.Describe(Checkpoint, source.Entries.Keys);
            var networks = new VideoCrafterNetworks(Config, placement);
            try
            {
                LoadReport report = WeightLoader.Compare(networks, source, map: map);
                if (!report.Fits)
                {
                    throw new WeightFileException(Checkpoint, $"is of another version than {ConfigInWords}. {report.Problem} {(_configPath is null
                        ? $"Put its own {ConfigName} beside it, or name it in the options."
                        : "Give the yaml that belongs to it.")}");
                }

                WeightLoader.Load(networks, source, map: map);
                networks.Schedule.RequireSame(Checkpoint);
                return networks;
            }
            catch
            {
                networks.Dispose();
                throw;
            }
        }
    }

    /// <summary>Computes the SHA-256 of the weights; the whole file is read.</summary>
    public string Hash()
    {
        (IWeightSource source, _) = Open();
        using (source)
        {
            return WeightHash.Compute(source);
        }
    }

    /// <summary>Opens open_clip's tokenizer.</summary>
    /// <param name="path">A vocabulary file or tokenizer folder; null: what lies beside the checkpoint.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    public ClipTokenizer Tokenizer(string? path)
    {
        string found = path ?? s_vocabularies.Select(Beside).FirstOrDefault(candidate => candidate is not null) ?? throw new FileNotFoundException(
            $"No tokenizer vocabulary beside '{Checkpoint}'. A VideoCrafter checkpoint carries none: put open_clip's {s_vocabularies[0]} (it is in "
            + "the open_clip package and in "
            + $"openai/CLIP, folder clip), or a CLIP {s_vocabularies[^1]}/ folder with vocab.json and merges.txt, beside it, or name one as "
            + $"{nameof(VideoModelOptions)}.{nameof(VideoModelOptions.TokenizerPath)}.",
            s_vocabularies[0]);
        return OpenClipVocabulary.ReadTokenizer(found);
    }

    private string ConfigInWords =>
        _configPath is null ? "the published VideoCrafter2 (512 x 320), which is taken where there is no yaml" : $"'{_configPath}' says";

    private string? Beside(string name)
    {
        string path = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(Checkpoint))!, name);
        return File.Exists(path) || Directory.Exists(path) ? path : null;
    }

    private VideoCrafterConfig ReadConfig()
    {
        if (_configPath is null)
        {
            return VideoCrafterConfig.VideoCrafter2;
        }

        try
        {
            JsonElement model = ConfigJson.Find(YamlFile.Read(_configPath), "model") ?? throw new InvalidDataException("there is no model at the top");
            return VideoCrafterConfig.FromJson(
                ConfigJson.Find(model, "params") ?? throw new InvalidDataException("model has no params"), TextDescription);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            throw new WeightFileException(_configPath, $"is not a configuration of a VideoCrafter text-to-video model: {exception.Message}", exception);
        }
    }

    private JsonElement? TextDescription(string architecture)
    {
        bool plain = architecture.AsSpan().IndexOfAny(Path.GetInvalidFileNameChars()) < 0;
        return plain && Beside($"{architecture}.json") is { } path
            ? new DiffusersFolder(Path.GetDirectoryName(path)!).ReadConfig(Path.GetFileName(path))
            : VideoCrafterConfig.FindTextDescription(architecture);
    }
}
