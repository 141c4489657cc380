using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Every reward of the library on networks of a few thousand weights (of conformance cases), for CLIP with a tokenizer of nineteen letters beside it.
/// </summary>
internal static class SmallRewards
{
    public static readonly string[] Prompts = ["a red cake", "no"];

    private static readonly Lazy<string> s_clip = new(WriteClip);

    public static string ClipFolder => s_clip.Value;

    public static string HeadFile => Path.Combine(CaseFolder, "head.pth");

    /// <summary>A detector of people, books, dogs and cups, untrained.</summary>
    public static string DetectorFolder => Path.Combine(CaseFolder, "..", "detection-basic", "yolos");

    /// <summary>What it sees in frames of noise.</summary>
    public const string DetectedLabel = "dog";

    /// <summary>A classifier of seven actions, untrained.</summary>
    public static string ClassifierFolder => Path.Combine(CaseFolder, "..", "action-even", "videomae");

    /// <summary>At the size of the small detector, everything that it sees counts.</summary>
    public static ObjectRemovalOptions SmallDetection { get; } = new() { Threshold = 0, Height = 40 };

    /// <summary>The letters of the small tokenizer spell no action.</summary>
    private static readonly ActionClassificationOptions s_actions = new()
    {
        Prompts = new Dictionary<string, string> { ["cake"] = "jogging", ["no"] = "abseiling", ["lamp"] = "chopping wood" },
    };

    public static IEnumerable<TestFixtureData> All() => s_kinds.Select(reward => new TestFixtureData(reward.Make).SetArgDisplayNames(reward.Name));

    /// <summary>The names of those that the library makes.</summary>
    public static IEnumerable<string> BuiltIn => s_kinds.Select(reward => reward.Name).Where(static name => name != "custom");

    /// <summary>One of them, by its name in the list.</summary>
    public static VideoReward Make(string name) => s_kinds.Single(reward => reward.Name == name).Make();

    private static readonly (string Name, Func<VideoReward> Make)[] s_kinds =
    [
        ("aesthetic", () => VideoRewards.Aesthetic(ClipFolder, HeadFile)),
        ("weather", () => VideoRewards.Weather(ClipFolder, HeadFile)),
        ("compressed size", () => VideoRewards.CompressedSize(ClipFolder, HeadFile)),
        ("text similarity", () => VideoRewards.TextImageSimilarity(ClipFolder)),
        ("video-text similarity", () => VideoRewards.VideoTextSimilarity(ClipFolder)),
        ("human preference", () => VideoRewards.HumanPreferenceV2(SmallPreference.File, ClipFolder)),
        ("human preference in half", () => VideoRewards.HumanPreferenceV2(SmallPreference.File, ClipFolder, WeightPrecision.Float16)),
        ("PickScore", () => VideoRewards.PickScore(ClipFolder)),
        ("object removal", () => VideoRewards.ObjectRemoval(DetectorFolder, DetectedLabel, SmallDetection)),
        ("action", () => VideoRewards.ActionClassification(ClassifierFolder, s_actions)),
        ("sum", () => (VideoRewards.Aesthetic(ClipFolder, HeadFile) * 1.5f) + VideoRewards.TextImageSimilarity(ClipFolder)),
        ("temporal consistency", () => VideoRewards.TemporalConsistency(VJepaFile, new VJepaOptions { Frames = 4, Heads = 3 })),
        ("normalized sum", () =>
            VideoRewards.Mix([(VideoRewards.Aesthetic(ClipFolder, HeadFile), 1.5f), (VideoRewards.TextImageSimilarity(ClipFolder), 1f)], normalize: true)),
        ("custom", () => VideoRewards.Custom("contrast", (frames, _) => frames.std([1, 2, 3, 4], unbiased: false))),
    ];

    public static HeadReward AestheticIn(ScalarType dtype) =>
        HeadReward.FromFiles(HeadRewardKind.Aesthetic, ClipFolder, HeadFile, new Placement(CPU, dtype));

    public static ObjectRemovalReward Removal(ScalarType dtype) =>
        ObjectRemovalReward.FromFolder(DetectorFolder, DetectedLabel, SmallDetection, new Placement(CPU, dtype));

    /// <summary>[B, 3, T, H, W] in (0.1, 0.9), always the same.</summary>
    public static Tensor Frames(params long[] shape)
    {
        using var generator = new Generator(11);
        return (rand(shape, generator: generator) * 0.8) + 0.1;
    }

    private static string VJepaFile => Path.Combine(Case("vjepa-basic"), "vjepa.pth.tar");

    private static string CaseFolder => Case("aesthetic-basic");

    private static string Case(string name) => Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S13-rewards", name);

    private static string WriteClip()
    {
        string folder = Directory.CreateTempSubdirectory("small-clip-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        foreach (string file in Directory.GetFiles(Path.Combine(CaseFolder, "clip")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        // The model's vocabulary has 40 places: a..s, the same at the end of a word, start and end.
        string[] letters = [.. Enumerable.Range('a', 19).Select(letter => ((char)letter).ToString())];
        string[] entries = [.. letters, .. letters.Select(letter => $"{letter}</w>"), "<|startoftext|>", "<|endoftext|>"];
        File.WriteAllText(Path.Combine(folder, "vocab.json"),
            JsonSerializer.Serialize(entries.Select((entry, id) => (entry, id)).ToDictionary(pair => pair.entry, pair => pair.id)));
        File.WriteAllText(Path.Combine(folder, "merges.txt"), "#version: 0.2\n");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"model_max_length": 9, "pad_token": "<|endoftext|>"}""");
        return folder;
    }
}
