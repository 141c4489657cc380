using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>A family of base models: how its files are known and opened.</summary>
/// <param name="Name">As in <see cref="VideoDiffusionModel.Family"/>.</param>
/// <param name="Layout">What its files look like, for the error that lists what was looked for.</param>
/// <param name="Recognizes">Whether a listing is of this family; looks at names and small files only.</param>
/// <param name="Check">Reads its configurations and vocabularies, and throws where they cannot be opened; weights need not be there yet.</param>
/// <param name="Load">Loads it.</param>
internal sealed record ModelFamily(
    string Name, string Layout, Func<ModelListing, bool> Recognizes, Action<ModelListing, VideoModelOptions> Check,
    Func<string, VideoModelOptions, CancellationToken, VideoDiffusionModel> Load)
{
    /// <summary>Every family, in the order they are tried.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } = [ModelScopePipeline.Files, StableVideoDiffusionPipeline.Files, OpenSoraPipeline.Files, VideoCrafterPipeline.Files];

    /// <summary>Loads the model at a path, or of the hub, whichever family it is of.</summary>
    public static VideoDiffusionModel Open(string path, VideoModelOptions options, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        NativeTorch.Require();
        return IsOfHub(path)
            ? OpenOfHub(path, HubFiles.Resolve(path, options.Hub, options.Variant, admit: Admission(path, options), cancellation: cancellation), options, cancellation)
            : OpenLocal(path, options, cancellation);
    }

    /// <summary>As <see cref="Open"/>: downloads without a thread, and reads weights in one of the pool.</summary>
    public static async Task<VideoDiffusionModel> OpenAsync(string path, VideoModelOptions options, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        NativeTorch.Require();
        if (!IsOfHub(path))
        {
            return await Task.Run(() => OpenLocal(path, options, cancellation), cancellation).ConfigureAwait(false);
        }

        string folder = await HubFiles.ResolveAsync(path, options.Hub, options.Variant, admit: Admission(path, options), cancellation: cancellation).ConfigureAwait(false);
        return await Task.Run(() => OpenOfHub(path, folder, options, cancellation), cancellation).ConfigureAwait(false);
    }

    /// <summary>Refuses a model whose small files say that it cannot be opened, before its large ones are fetched.</summary>
    /// <exception cref="NotSupportedException">It is of no known family, or has a part that is not built here.</exception>
    public static HubAdmission Admission(string id, VideoModelOptions options) => (folder, names) =>
    {
        var listing = new ModelListing(folder, names);
        ModelFamily family = Find(listing) ?? throw Unknown(id, listing);
        family.Check(listing, options);
    };

    private static VideoDiffusionModel OpenLocal(string path, VideoModelOptions options, CancellationToken cancellation)
    {
        if (!Path.Exists(path))
        {
            throw new DirectoryNotFoundException($"No model folder or file '{path}'. {Known()}");
        }

        cancellation.ThrowIfCancellationRequested();
        var listing = new ModelListing(path, []);
        ModelFamily family = Find(listing) ?? throw Unknown(path, listing);
        if (options.Variant is { } variant && Directory.Exists(path))
        {
            new DiffusersFolder(path).RequireVariant(variant);
        }

        VideoDiffusionModel model = family.Load(path, options, cancellation);
        model.LoadedWith = options;
        return model;
    }

    private static VideoDiffusionModel OpenOfHub(string id, string snapshot, VideoModelOptions options, CancellationToken cancellation)
    {
        VideoDiffusionModel model = OpenLocal(snapshot, options, cancellation);
        model.HubOrigin = (id, Path.GetFileName(snapshot));
        return model;
    }

    private static bool IsOfHub(string path) => !Path.Exists(path) && HubModel.IsId(path);

    private static ModelFamily? Find(ModelListing listing) => All.FirstOrDefault(family => family.Recognizes(listing));

    private static NotSupportedException Unknown(string name, ModelListing listing) => new($"'{name}' is not a known model: {Found(listing)}. {Known()}");

    private static string Known() => $"Looked for: {string.Join("; ", All.Select(family => $"{family.Name}: {family.Layout}"))}.";

    private static string Found(ModelListing listing)
    {
        if (DiffusersFolder.PipelineClass(listing.Path) is { } pipeline)
        {
            return $"its {DiffusersFolder.IndexName} names the pipeline class '{pipeline}'";
        }

        string[] names = File.Exists(listing.Path) ? [Path.GetFileName(listing.Path)]
            : [.. Directory.EnumerateFileSystemEntries(listing.Path).Select(entry => Path.GetFileName(entry)!).Concat(listing.Coming.Select(name => name.Split('/')[0])).Distinct().Order(StringComparer.Ordinal)];
        return names.Length == 0 ? "the folder is empty" : $"found {string.Join(", ", names.Take(12))}{(names.Length > 12 ? ", ..." : "")}";
    }
}
