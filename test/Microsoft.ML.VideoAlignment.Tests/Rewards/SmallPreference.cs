using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An OpenCLIP of a few thousand weights under its own names, for the vocabulary and image size of <see cref="SmallRewards.ClipFolder"/>.</summary>
internal static class SmallPreference
{
    private static readonly Lazy<string> s_file = new(WriteFile);

    /// <summary>One head of 64 in each tower, so that the configuration can be told from the shapes.</summary>
    public static OpenClipConfig Config { get; } = new(
        6,
        new OpenClipVisionConfig
        {
            ImageHeight = 32,
            ImageWidth = 32,
            PatchSize = 8,
            Layers = 2,
            Layer = OpenClipLayer.CreateShape(64, 80, 1, quickGelu: false)
        },
        new OpenClipTextConfig { ContextLength = 9, VocabSize = 40, Layers = 1, Layer = OpenClipLayer.CreateShape(64, 96, 1, quickGelu: false) });

    public static string File => s_file.Value;

    /// <summary>Weights by the names of a file, each a small wave, so that nothing is at random.</summary>
    public static (string Name, Tensor Value)[] Weights()
    {
        var model = new OpenClipModel(Config, OpenClipHalves.Both, Placement.Cpu);
        double phase = 0;
        return [.. model.state_dict().Select(pair => (FileName(pair.Key), Wave(pair.Value.shape, ++phase)))];
    }

    private static Tensor Wave(long[] shape, double phase)
    {
        Tensor ramp = arange(shape.Aggregate(1L, (a, b) => a * b), dtype: ScalarType.Float32);
        return ((ramp * 0.73 + phase).sin() * 0.3).reshape(shape);
    }

    private static string FileName(string key)
    {
        string name = key.StartsWith("text.", StringComparison.Ordinal) ? key["text.".Length..] : key;
        return OpenClipModel.CreateKeyMap(OpenClipHalves.Both).Aliases.Aggregate(name,
            (text, alias) => text.Replace(alias.New, alias.Old, StringComparison.Ordinal));
    }

    private static string WriteFile()
    {
        string folder = Directory.CreateTempSubdirectory("small-preference-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        string path = Path.Combine(folder, "hps.safetensors");
        SafetensorsWriter.Write(path, Weights().ToDictionary(pair => pair.Name, pair => pair.Value));
        return path;
    }
}
