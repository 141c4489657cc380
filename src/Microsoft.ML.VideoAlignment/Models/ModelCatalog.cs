using Microsoft.ML.VideoAlignment.Models.ModelScope;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Models.VideoCrafter;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Every family of base models that this library knows, and how a model of any of them is opened.</summary>
internal static class ModelCatalog
{
    /// <summary>The families, in the order they are tried: the only list of them, one line each.</summary>
    private static readonly ModelDefinition[] s_families =
    [
        ModelScopeModel.Definition,
        StableVideoDiffusionModel.Definition,
        OpenSoraModel.Definition,
        VideoCrafterModel.Definition,
    ];

    private static IReadOnlyList<ModelDefinition> s_all = s_families;

    /// <summary>Every family, in the order they are tried.</summary>
    public static IReadOnlyList<ModelDefinition> All => Volatile.Read(ref s_all);

    /// <summary>Adds a family after the others, until the result is disposed.</summary>
    /// <param name="definition">The family.</param>
    /// <exception cref="ArgumentException">There is one of this name.</exception>
    internal static IDisposable Register(ModelDefinition definition)
    {
        if (All.Any(known => known.Name == definition.Name))
        {
            throw new ArgumentException($"There is a family '{definition.Name}' already; give yours another name.", nameof(definition));
        }

        Change(known => [.. known, definition]);
        return new Registration(definition);
    }

    /// <summary>Loads the model at a path, or of the hub, whichever family it is of.</summary>
    /// <param name="path">A folder or file, or an id of the hub.</param>
    /// <param name="options">How weights are read and held.</param>
    /// <param name="cancellation">Ends the download or the reading.</param>
    public static VideoDiffusionModel Open(string path, VideoModelOptions options, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        NativeTorch.Require();
        return IsOfHub(path)
            ? OpenOfHub(
                path, HubFiles.Resolve(path, options.Hub, options.Variant, admit: Admission(path, options), cancellation: cancellation), options, cancellation)
            : OpenLocal(path, options, cancellation);
    }

    /// <summary>Loads a model as <see cref="Open"/> does: downloads without a thread, and reads weights in one of the pool.</summary>
    /// <param name="path">A folder or file, or an id of the hub.</param>
    /// <param name="options">How weights are read and held.</param>
    /// <param name="cancellation">Ends the download or the reading.</param>
    public static async Task<VideoDiffusionModel> OpenAsync(string path, VideoModelOptions options, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        NativeTorch.Require();
        if (!IsOfHub(path))
        {
            return await Task.Run(() => OpenLocal(path, options, cancellation), cancellation).ConfigureAwait(false);
        }

        string folder = await HubFiles.ResolveAsync(path, options.Hub, options.Variant, admit: Admission(path, options), cancellation: cancellation)
            .ConfigureAwait(false);
        return await Task.Run(() => OpenOfHub(path, folder, options, cancellation), cancellation).ConfigureAwait(false);
    }

    /// <summary>Makes what refuses a model whose small files say that it cannot be opened, before its large ones are fetched.</summary>
    /// <param name="id">The model's id of the hub, for messages.</param>
    /// <param name="options">How it would be read.</param>
    /// <returns>Throws <see cref="NotSupportedException"/> where the model is not of a known family, or has a part that is not built here.</returns>
    public static HubAdmission Admission(string id, VideoModelOptions options) => (folder, names) =>
    {
        var listing = new ModelListing(folder, names);
        ModelDefinition family = Find(listing) ?? throw Unknown(id, listing);
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
        ModelDefinition family = Find(listing) ?? throw Unknown(path, listing);
        if (options.Variant is { } variant && Directory.Exists(path))
        {
            new DiffusersFolder(path).RequireVariant(variant);
        }

        return new VideoDiffusionModel(family.Load(path, options, cancellation)) { LoadedWith = options };
    }

    private static VideoDiffusionModel OpenOfHub(string id, string snapshot, VideoModelOptions options, CancellationToken cancellation)
    {
        VideoDiffusionModel model = OpenLocal(snapshot, options, cancellation);
        model.HubOrigin = (id, Path.GetFileName(snapshot));
        return model;
    }

    private static bool IsOfHub(string path) => !Path.Exists(path) && HubModel.IsId(path);

    private static ModelDefinition? Find(ModelListing listing) => All.FirstOrDefault(family => family.Recognizes(listing));

    private static NotSupportedException Unknown(string name, ModelListing listing) => new($"'{name}' is not a known model: {Found(listing)}. {Known()}");

    private static string Known() => $"Looked for: {string.Join("; ", All.Select(family => $"{family.Name}: {family.Layout}"))}.";

    private static string Found(ModelListing listing)
    {
        if (DiffusersFolder.ReadPipelineClass(listing.Path) is { } pipeline)
        {
            return $"its {DiffusersFolder.IndexName} names the pipeline class '{pipeline}'";
        }

        string[] names = File.Exists(listing.Path) ? [Path.GetFileName(listing.Path)]
            : [.. Directory.EnumerateFileSystemEntries(listing.Path).Select(entry => Path.GetFileName(entry)!)
                .Concat(listing.Coming.Select(name => name.Split('/')[0])).Distinct().Order(StringComparer.Ordinal)];
        return names.Length == 0 ? "the folder is empty" : $"found {string.Join(", ", names.Take(12))}{(names.Length > 12 ? ", ..." : "")}";
    }

    private static void Change(Func<IReadOnlyList<ModelDefinition>, ModelDefinition[]> change)
    {
        IReadOnlyList<ModelDefinition> before;
        do
        {
            before = All;
        }
        while (Interlocked.CompareExchange(ref s_all, change(before), before) != before);
    }

    private sealed class Registration(ModelDefinition definition) : IDisposable
    {
        public void Dispose() => Change(known => [.. known.Where(other => other != definition)]);
    }
}
