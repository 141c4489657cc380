using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// A folder with config.json and weights as diffusers and transformers save them, or a folder of such folders (unet, vae, text_encoder, ...). The file
/// names tried are diffusers' and transformers': diffusion_pytorch_model, model or pytorch_model, with a variant such as fp16, whole or in shards.
/// </summary>
internal sealed class DiffusersFolder
{
    /// <summary>The file of a whole model's folder that names the pipeline class and its parts.</summary>
    public const string IndexName = "model_index.json";

    /// <exception cref="WeightFileException">There is no such folder.</exception>
    public DiffusersFolder(string path)
    {
        Location = path;
        if (!Directory.Exists(path))
        {
            throw new WeightFileException(path, File.Exists(path) ? "is a file; a folder with config.json and weights is expected." : "there is no such folder; models are read from disk, not downloaded.");
        }
    }

    public string Location { get; }

    /// <summary>The pipeline class that the model at a path names; null: it is no diffusers folder.</summary>
    public static string? PipelineClass(string path) =>
        File.Exists(Path.Combine(path, IndexName)) && new DiffusersFolder(path).Config(IndexName).TryGetProperty("_class_name", out JsonElement name) ? $"{name}" : null;

    /// <summary>Whether there is a folder of this name below.</summary>
    public bool Has(string component) => Directory.Exists(Path.Combine(Location, component));

    /// <summary>The folder of a component such as "unet".</summary>
    /// <exception cref="WeightFileException">There is none; the error lists those that are there.</exception>
    public DiffusersFolder Component(string component) => Has(component)
        ? new DiffusersFolder(Path.Combine(Location, component))
        : throw new WeightFileException(Location, $"has no folder '{component}'. There are: {List(Directory.EnumerateDirectories(Location))}.");

    /// <summary>config.json, or another JSON file of this folder.</summary>
    /// <exception cref="WeightFileException">It is missing or is no JSON object.</exception>
    public JsonElement Config(string file = "config.json")
    {
        string path = Path.Combine(Location, file);
        if (!File.Exists(path))
        {
            throw new WeightFileException(Location, $"has no {file}. There are: {List(Directory.EnumerateFiles(Location))}.");
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
            return json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.Clone() : throw new WeightFileException(path, "is no JSON object.");
        }
        catch (JsonException exception)
        {
            throw new WeightFileException(path, $"is no valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The path of the weights: safetensors before PyTorch files, one file before shards.</summary>
    /// <param name="variant">Such as "fp16", where the file names carry one; null: those without.</param>
    /// <exception cref="WeightFileException">There are none; the error lists what was looked for and what is there.</exception>
    public string WeightPath(string? variant = null)
    {
        string[] wanted = [.. Names(variant)];
        return wanted.Select(name => Path.Combine(Location, name)).FirstOrDefault(File.Exists)
            ?? throw new WeightFileException(Location,
                $"has no weights{(variant is null ? "" : $" of variant '{variant}'")}. Looked for {string.Join(", ", wanted)}. There are: {List(Directory.EnumerateFiles(Location))}. "
                + (variant is null ? "A variant in the names, such as fp16, must be asked for." : "Leave the variant out to take the files without one."));
    }

    /// <summary>Opens the weights; the caller disposes them.</summary>
    /// <inheritdoc cref="WeightPath"/>
    public IWeightSource OpenWeights(string? variant = null) => WeightFile.Open(WeightPath(variant));

    /// <summary>The network that this folder describes and holds: made from config.json and filled with the weights.</summary>
    /// <inheritdoc cref="WeightPath"/>
    public T Load<T>(Func<JsonElement, T> make, string? variant = null, KeyMap? map = null)
        where T : nn.Module
    {
        using IWeightSource weights = OpenWeights(variant);
        return WeightLoader.Fill(make(Config()), weights, map: map);
    }

    private static IEnumerable<string> Names(string? variant)
    {
        string[] safetensors = ["diffusion_pytorch_model", "model"];
        string[] pickled = ["diffusion_pytorch_model", "pytorch_model"];
        return Names(safetensors, "safetensors", variant).Concat(Names(pickled, "bin", variant));
    }

    private static IEnumerable<string> Names(string[] stems, string extension, string? variant) => variant is null
        ? [.. stems.Select(stem => $"{stem}.{extension}"), .. stems.Select(stem => $"{stem}.{extension}.index.json")]
        :
        [
            .. stems.Select(stem => $"{stem}.{variant}.{extension}"),
            // The libraries have changed the place of the variant in an index's name.
            .. stems.SelectMany(stem => new[] { $"{stem}.{extension}.index.{variant}.json", $"{stem}.{extension}.{variant}.index.json", $"{stem}.{variant}.{extension}.index.json" }),
        ];

    private static string List(IEnumerable<string> paths)
    {
        string[] names = [.. paths.Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
        return names.Length == 0 ? "nothing" : $"{string.Join(", ", names.Take(20))}{(names.Length > 20 ? ", ..." : "")}";
    }
}
