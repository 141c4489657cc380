using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// The file of a run's state after one step: safetensors, whose metadata hold the rest as JSON, and a SHA-256 over all of it. A file that was cut, ends in
/// zeros or changed in any byte that counts is recognized.
/// </summary>
internal sealed class RunState : IDisposable
{
    private const string Format = "Microsoft.ML.VideoAlignment run state";
    private const string Version = "1";

    private const string FormatKey = "format";
    private const string VersionKey = "version";
    private const string RunKey = "run";
    private const string StepKey = "step";
    private const string SeedKey = "seed";
    private const string FactsKey = "facts";
    private const string ValuesKey = "values";
    private const string ChecksumKey = "sha256";

    // States nest sections this deep at most: deeper JSON was not written by this library.
    private const int MaxDepth = 16;

    private readonly SafetensorsFile _file;

    private RunState(SafetensorsFile file, string run, int step, int seed, IReadOnlyDictionary<(string Kind, string Name), string> facts, JsonObject values)
    {
        (_file, Run, Step, Seed, Facts) = (file, run, step, seed, facts);
        Content = new StateReader(values, file);
    }

    /// <summary>The path of the file.</summary>
    public string Location => _file.Location;

    /// <summary>Name of the run: 32 hexadecimal digits.</summary>
    public string Run { get; }

    /// <summary>Optimizer steps done, at least 1.</summary>
    public int Step { get; }

    /// <summary>The run's seed.</summary>
    public int Seed { get; }

    /// <summary>The facts of the run that wrote the state, by kind and name.</summary>
    public IReadOnlyDictionary<(string Kind, string Name), string> Facts { get; }

    /// <summary>The sections of the run's parts; readable until this object is disposed.</summary>
    public StateReader Content { get; }

    /// <summary>Writes a state; the file appears complete or not at all, also after a power failure.</summary>
    /// <param name="path">The file.</param>
    /// <param name="run">Name of the run, 32 hexadecimal digits.</param>
    /// <param name="step">Optimizer steps done, at least 1.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="fingerprint">What decides what the run computes.</param>
    /// <param name="content">The sections of the run's parts.</param>
    public static void Write(string path, string run, int step, int seed, RunFingerprint fingerprint, StateWriter content)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [FormatKey] = Format,
            [VersionKey] = Version,
            [RunKey] = run,
            [StepKey] = step.ToString(CultureInfo.InvariantCulture),
            [SeedKey] = seed.ToString(CultureInfo.InvariantCulture),
            [FactsKey] = fingerprint.ToJson(),
            [ValuesKey] = content.Values.ToJsonString(),
        };
        using var tensors = new GatheredTensors(content.Tensors);
        metadata[ChecksumKey] = Checksum(metadata, tensors);
        SafetensorsWriter.Write(path, content.Tensors, metadata);
    }

    /// <summary>Opens a state and checks all of it.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The state, which the caller disposes.</returns>
    /// <exception cref="RunFolderException">The file cannot be read, or its content is not what was written.</exception>
    public static RunState Open(string path)
    {
        SafetensorsFile? file = null;
        try
        {
            file = new SafetensorsFile(path);
            return Read(file);
        }
        catch (Exception error) when (error is WeightFileException or FormatException or JsonException or IOException)
        {
            file?.Dispose();
            string problem = error is WeightFileException { Problem: var found } ? found : error.Message;
            throw error as RunFolderException ?? new RunFolderException(path, problem, error);
        }
    }

    public void Dispose() => _file.Dispose();

    private static RunState Read(SafetensorsFile file)
    {
        IReadOnlyDictionary<string, string> metadata = file.Metadata;
        string Value(string key) =>
            metadata.TryGetValue(key, out string? value) ? value : throw new FormatException($"its metadata have no '{key}'");
        int Number(string key, int minimum) =>
            int.TryParse(Value(key), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number >= minimum
                ? number
                : throw new FormatException($"its '{key}' is '{Value(key)}', expected a whole number of at least {minimum}");
        if (Value(FormatKey) != Format)
        {
            throw new FormatException("it is not the state of a run");
        }

        if (Value(VersionKey) != Version)
        {
            throw new FormatException($"it is of version {Value(VersionKey)} of the format, and this library reads version {Version}");
        }

        if (Checksum(metadata, file) != Value(ChecksumKey))
        {
            throw new FormatException("its content does not have the checksum that was written with it: the file is cut or damaged");
        }

        return new RunState(
            file, Value(RunKey), Number(StepKey, 1), Number(SeedKey, int.MinValue), RunFingerprint.Parse(Value(FactsKey)), ParseValues(Value(ValuesKey)));
    }

    /// <summary>Parses the numbers and texts of a state.</summary>
    /// <param name="text">The JSON as it is in the file.</param>
    /// <exception cref="JsonException">The text is not JSON, or two values share a name.</exception>
    /// <exception cref="FormatException">The JSON is not an object.</exception>
    internal static JsonObject ParseValues(string text)
    {
        var options = new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false };
        return JsonFile.ParseStrictly(text, options) is { ValueKind: JsonValueKind.Object } values
            ? JsonObject.Create(values)!
            : throw new FormatException("its values are not a JSON object");
    }

    // SHA-256 over every other entry of the metadata and over the tensors' names, types, shapes and bytes.
    private static string Checksum(IReadOnlyDictionary<string, string> metadata, IWeightSource tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string key, string value) in metadata.Where(pair => pair.Key != ChecksumKey).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{key.Length}:{key}{value.Length}:{value}"));
        }

        hash.AppendData(Encoding.UTF8.GetBytes(WeightHash.Compute(tensors)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
