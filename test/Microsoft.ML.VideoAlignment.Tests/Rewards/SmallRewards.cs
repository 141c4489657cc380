using System.Text.Json;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// Every reward of the library on a CLIP of a few thousand weights (a conformance case's), with a tokenizer of nineteen letters beside it.
/// </summary>
internal static class SmallRewards
{
    public static readonly string[] Prompts = ["a red cake", "no"];

    private static readonly Lazy<string> s_clip = new(WriteClip);

    public static string ClipFolder => s_clip.Value;

    public static string HeadFile => Path.Combine(CaseFolder, "head.pth");

    public static IEnumerable<TestFixtureData> All() => new (string Name, Func<VideoReward> Make)[]
    {
        ("aesthetic", () => VideoRewards.Aesthetic(ClipFolder, HeadFile)),
        ("weather", () => VideoRewards.Weather(ClipFolder, HeadFile)),
        ("compressed size", () => VideoRewards.CompressedSize(ClipFolder, HeadFile)),
        ("text similarity", () => VideoRewards.TextImageSimilarity(ClipFolder)),
        ("sum", () => (VideoRewards.Aesthetic(ClipFolder, HeadFile) * 1.5f) + VideoRewards.TextImageSimilarity(ClipFolder)),
        ("custom", () => VideoRewards.Custom("contrast", (frames, _) => frames.std([1, 2, 3, 4], unbiased: false))),
    }.Select(reward => new TestFixtureData(reward.Make).SetArgDisplayNames(reward.Name));

    public static HeadReward AestheticIn(ScalarType dtype) =>
        HeadReward.FromFiles(HeadRewardKind.Aesthetic, ClipFolder, HeadFile, new Placement(CPU, dtype));

    /// <summary>[B, 3, T, H, W] in (0.1, 0.9), always the same.</summary>
    public static Tensor Frames(params long[] shape)
    {
        using var generator = new Generator(11);
        return (rand(shape, generator: generator) * 0.8) + 0.1;
    }

    private static string CaseFolder => Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases", "S13-rewards", "aesthetic-basic");

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
        File.WriteAllText(Path.Combine(folder, "vocab.json"), JsonSerializer.Serialize(entries.Select((entry, id) => (entry, id)).ToDictionary(pair => pair.entry, pair => pair.id)));
        File.WriteAllText(Path.Combine(folder, "merges.txt"), "#version: 0.2\n");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"model_max_length": 9, "pad_token": "<|endoftext|>"}""");
        return folder;
    }
}
