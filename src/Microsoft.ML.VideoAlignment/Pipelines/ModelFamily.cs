using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>A family of base models: how its files are known and opened.</summary>
/// <param name="Name">As in <see cref="VideoDiffusionModel.Family"/>.</param>
/// <param name="Layout">What its files look like, for the error that lists what was looked for.</param>
/// <param name="Recognises">Whether what lies at a path is of this family; looks at names and small files only.</param>
/// <param name="Load">Loads it.</param>
internal sealed record ModelFamily(string Name, string Layout, Func<string, bool> Recognises, Func<string, VideoModelOptions, VideoDiffusionModel> Load)
{
    /// <summary>Every family, in the order they are tried.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } = [ModelScopePipeline.Files, StableVideoPipeline.Files, OpenSoraPipeline.Files, VideoCrafterPipeline.Files];

    /// <summary>Loads the model at a path, whichever family it is of.</summary>
    public static VideoDiffusionModel Open(string path, VideoModelOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path) && !File.Exists(path))
        {
            if (HubModel.IsId(path))
            {
                return Open(HubFiles.Resolve(path, options.Hub, options.Variant), options);
            }

            throw new DirectoryNotFoundException($"No model folder or file '{path}'. {Known()}");
        }

        ModelFamily? family = All.FirstOrDefault(family => family.Recognises(path));
        VideoDiffusionModel model = family?.Load(path, options) ?? throw new NotSupportedException($"'{path}' is not a known model: {Found(path)}. {Known()}");
        model.LoadedWith = options;
        return model;
    }

    private static string Known() => $"Looked for: {string.Join("; ", All.Select(family => $"{family.Name}: {family.Layout}"))}.";

    private static string Found(string path)
    {
        if (DiffusersFolder.PipelineClass(path) is { } pipeline)
        {
            return $"its {DiffusersFolder.IndexName} names the pipeline class '{pipeline}'";
        }

        string[] names = File.Exists(path) ? [Path.GetFileName(path)] : [.. Directory.EnumerateFileSystemEntries(path).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];
        return names.Length == 0 ? "the folder is empty" : $"found {string.Join(", ", names.Take(12))}{(names.Length > 12 ? ", ..." : "")}";
    }
}
