using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// A folder with config.json and weights as diffusers and transformers save them, or a folder of such folders (unet, vae, text_encoder, ...). Which file holds the weights
/// <see cref="WeightNames"/> says.
/// </summary>
internal sealed class DiffusersFolder
{
    /// <summary>The file of a whole model's folder that names the pipeline class and its parts.</summary>
    public const string IndexName = "model_index.json";

    private readonly CancellationToken _cancellation;

    /// <param name="path">The folder.</param>
    /// <param name="cancellation">Ends what is read of the weights of this folder and its components.</param>
    /// <exception cref="WeightFileException">There is no such folder.</exception>
    public DiffusersFolder(string path, CancellationToken cancellation = default)
    {
        (Location, _cancellation) = (path, cancellation);
        if (!Directory.Exists(path))
        {
            throw new WeightFileException(path, File.Exists(path) ? "is a file; a folder with config.json and weights is expected." : "there is no such folder.");
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
        ? new DiffusersFolder(Path.Combine(Location, component), _cancellation)
        : throw new WeightFileException(Location, $"has no folder '{component}'. There are: {List(Directory.EnumerateDirectories(Location))}.");

    /// <summary>config.json, or another JSON file of this folder.</summary>
    /// <exception cref="WeightFileException">It is missing or is no JSON object.</exception>
    public JsonElement Config(string file = "config.json")
    {
        string path = Path.Combine(Location, file);
        return File.Exists(path) ? JsonFile.ReadObject(path) : throw new WeightFileException(Location, $"has no {file}. There are: {List(Directory.EnumerateFiles(Location))}.");
    }

    /// <summary>What <paramref name="read"/> makes of config.json, or of another JSON file of this folder; its errors name the file.</summary>
    /// <exception cref="WeightFileException">The file is missing or is no JSON object.</exception>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option makes another network.</exception>
    public T Parse<T>(Func<JsonElement, T> read, string file = "config.json")
    {
        JsonElement json = Config(file);
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

    /// <summary>The path of the weights, of the variant where this folder has it, else of the plain ones.</summary>
    /// <param name="variant">Such as "fp16", where the file names carry one; null: those without.</param>
    /// <exception cref="WeightFileException">There are none; the error lists what was looked for and what is there.</exception>
    public string WeightPath(string? variant = null) => WeightNames.Find(name => File.Exists(Path.Combine(Location, name)), variant) is { } found
        ? Path.Combine(Location, found)
        : throw new WeightFileException(Location,
            $"has no weights{(variant is null ? "" : $" of variant '{variant}'")}. Looked for {string.Join(", ", WeightNames.Wanted(variant))}. There are: {List(Directory.EnumerateFiles(Location))}. "
            + (variant is null ? "A variant in the names, such as fp16, must be asked for." : "Leave the variant out, or ask for one that is there."));

    /// <summary>Checks that a part of the model has files of the variant; parts that have none are taken without it.</summary>
    /// <exception cref="WeightFileException">No part has: the variant is misspelt, or was not downloaded.</exception>
    public void RequireVariant(string variant)
    {
        string[] names = [.. Directory.EnumerateDirectories(Location).Append(Location).SelectMany(Directory.EnumerateFiles).Select(path => Path.GetFileName(path)!)];
        if (!names.Any(name => WeightNames.HasVariant(name, variant)))
        {
            throw new WeightFileException(Location, $"has no file of the variant '{variant}'. There are: {List(names.Where(name => Path.GetExtension(name) is ".safetensors" or ".bin"))}. Leave the variant out, or ask for one that is there.");
        }
    }

    /// <summary>Opens the weights; the caller disposes them.</summary>
    /// <inheritdoc cref="WeightPath"/>
    public IWeightSource OpenWeights(string? variant = null) => CancellableWeights.Watch(UnwrappedWeights.Unwrap(WeightFile.Open(WeightPath(variant))), _cancellation);

    /// <summary>The network that this folder describes and holds: made from config.json and filled with the weights.</summary>
    /// <inheritdoc cref="WeightPath"/>
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
