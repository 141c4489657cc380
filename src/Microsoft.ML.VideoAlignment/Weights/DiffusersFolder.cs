using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// A folder with config.json and weights as diffusers and transformers save them, or a folder of such folders (unet, vae, text_encoder, ...).
/// </summary>
/// <remarks><see cref="WeightNames"/> says which file holds the weights.</remarks>
internal sealed class DiffusersFolder
{
    /// <summary>The file of a whole model's folder that names the pipeline class and its parts.</summary>
    public const string IndexName = "model_index.json";

    private readonly CancellationToken _cancellation;

    /// <summary>Opens a folder without reading anything in it.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="cancellation">Ends the reading of this folder's weights and those of its components.</param>
    /// <exception cref="WeightFileException">There is no such folder.</exception>
    public DiffusersFolder(string path, CancellationToken cancellation = default)
    {
        (Location, _cancellation) = (path, cancellation);
        if (!Directory.Exists(path))
        {
            throw new WeightFileException(path,
                File.Exists(path) ? "is a file; a folder with config.json and weights is expected." : "there is no such folder.");
        }
    }

    public string Location { get; }

    /// <summary>Returns the pipeline class that a model names; null where the path is not a diffusers folder.</summary>
    /// <param name="path">The model's folder.</param>
    public static string? ReadPipelineClass(string path) =>
        File.Exists(Path.Combine(path, IndexName)) && new DiffusersFolder(path).ReadConfig(IndexName).TryGetProperty("_class_name", out JsonElement name)
            ? $"{name}"
            : null;

    /// <summary>Whether this folder holds a component's folder.</summary>
    /// <param name="component">The name of the folder, such as "unet".</param>
    public bool HasComponent(string component) => Directory.Exists(Path.Combine(Location, component));

    /// <summary>Opens the folder of a component.</summary>
    /// <param name="component">The name of the folder, such as "unet".</param>
    /// <exception cref="WeightFileException">There is no such folder; the error lists those that exist.</exception>
    public DiffusersFolder OpenComponent(string component) => HasComponent(component)
        ? new DiffusersFolder(Path.Combine(Location, component), _cancellation)
        : throw new WeightFileException(Location, $"has no folder '{component}'. There are: {List(Directory.EnumerateDirectories(Location))}.");

    /// <summary>Reads a JSON file of this folder.</summary>
    /// <param name="file">The name of the file.</param>
    /// <exception cref="WeightFileException">The file is missing or is not a JSON object.</exception>
    public JsonElement ReadConfig(string file = "config.json")
    {
        string path = Path.Combine(Location, file);
        return File.Exists(path)
            ? JsonFile.ReadObject(path)
            : throw new WeightFileException(Location, $"has no {file}. There are: {List(Directory.EnumerateFiles(Location))}.");
    }

    /// <summary>Parses a JSON file of this folder; errors name the file.</summary>
    /// <typeparam name="T">The result's type.</typeparam>
    /// <param name="read">Makes the result from the file's object.</param>
    /// <param name="file">The name of the file.</param>
    /// <exception cref="WeightFileException">The file is missing or is not a JSON object.</exception>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option describes another network.</exception>
    public T Parse<T>(Func<JsonElement, T> read, string file = "config.json")
    {
        JsonElement json = ReadConfig(file);
        string path = Path.Combine(Location, file);
        try
        {
            return read(json);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{path}: {exception.Message}", exception);
        }
        catch (NotSupportedException exception)
        {
            throw new NotSupportedException($"{path}: {exception.Message}", exception);
        }
        catch (ExternalException exception)
        {
            throw new InvalidDataException($"{path}: describes a network that cannot be built here: {exception.Message.Split('\n')[0]}", exception);
        }
    }

    /// <summary>Returns the path of the weights: of the variant where this folder has it, else of those without one.</summary>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    /// <exception cref="WeightFileException">There are no weights; the error lists the names tried and the files found.</exception>
    public string FindWeights(string? variant = null) =>
        WeightNames.FindIn(Directory.EnumerateFiles(Location).Where(File.Exists).Select(path => Path.GetFileName(path)!), variant) is { } found
            ? Path.Combine(Location, found)
            : throw new WeightFileException(Location,
                $"has no weights{(variant is null ? "" : $" of variant '{variant}'")}. Looked for {string.Join(", ", WeightNames.Candidates(variant))}. "
                + $"There are: {List(Directory.EnumerateFiles(Location))}. "
                + (variant is null ? "If the names carry a variant, such as fp16, pass it." : "Omit the variant, or choose one that exists."));

    /// <summary>Checks that at least one part of the model has files of a variant; parts that have none are used without it.</summary>
    /// <param name="variant">The variant, such as "fp16".</param>
    /// <exception cref="WeightFileException">No part has the variant: it is misspelled, or was not downloaded.</exception>
    public void RequireVariant(string variant)
    {
        IEnumerable<string> folders = Directory.EnumerateDirectories(Location).Append(Location);
        string[] names = [.. folders.SelectMany(Directory.EnumerateFiles).Select(path => Path.GetFileName(path)!)];
        if (!names.Any(name => WeightNames.HasVariant(name, variant)))
        {
            throw new WeightFileException(Location, $"has no file of the variant '{variant}'. "
                + $"There are: {List(names.Where(name => Path.GetExtension(name) is ".safetensors" or ".bin"))}. Omit the variant, or choose one that exists.");
        }
    }

    /// <summary>Opens the weights; the caller disposes them.</summary>
    /// <inheritdoc cref="FindWeights"/>
    public IWeightSource OpenWeights(string? variant = null) =>
        CancelableWeights.Watch(UnwrappedWeights.Unwrap(WeightFile.Open(FindWeights(variant))), _cancellation);

    /// <summary>Makes the network that config.json describes and fills it with the weights.</summary>
    /// <typeparam name="T">The network's type.</typeparam>
    /// <param name="make">Makes the network from config.json.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    /// <param name="map">How names in the file become keys of the network; null: they are the keys.</param>
    /// <exception cref="WeightFileException">There are no weights, or they do not fit the network.</exception>
    public T Load<T>(Func<JsonElement, T> make, string? variant = null, KeyMap? map = null)
        where T : nn.Module
    {
        using IWeightSource weights = OpenWeights(variant);
        return WeightLoader.Fill(Parse(make), weights, map: map);
    }

    private static string List(IEnumerable<string> paths)
    {
        string[] names = [.. paths.Select(path => Path.GetFileName(path)!).Distinct().Order(StringComparer.Ordinal)];
        return names.Length == 0 ? "nothing" : $"{string.Join(", ", names.Take(20))}{(names.Length > 20 ? ", ..." : "")}";
    }
}
