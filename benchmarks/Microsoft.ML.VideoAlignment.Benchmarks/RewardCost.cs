using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Measures what a full-size reward costs: its network with random weights, from its official configuration, forward and backward to the pixels of one frame
/// (video networks: one video), each in a process of its own for its peak memory.
/// </summary>
internal static class RewardCost
{
    private const string Alone = "--reward-of";

    private static readonly (string Name, Func<Network> Make)[] s_rewards =
    [
        ("Aesthetic, Weather, CompressedSize: CLIP ViT-L/14", ClipLarge),
        ("HumanPreferenceV2, PickScore: ViT-H/14", OpenClipHuge),
        ("ObjectRemoval: YOLOS-tiny, 512 x 819", () => Yolos("""
            {"hidden_size": 192, "intermediate_size": 768, "num_attention_heads": 3, "use_mid_position_embeddings": false, "image_size": [800, 1333],
             "num_labels": 91}
            """)),
        ("ObjectRemoval: YOLOS-base, 512 x 819", () => Yolos("""{"image_size": [800, 1344], "num_labels": 91}""")),
        ("ActionClassification: VideoMAE-base, 16 frames", VideoMae),
        ("TemporalConsistency: V-JEPA ViT-L/16, 16 frames", VJepaLarge),
    ];

    /// <summary>Prints the table.</summary>
    public static void Run()
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{CountedRun.Machine}; better of two runs"));
        Console.WriteLine("| reward, full size | weights, MB | forward, s | forward and backward, s | GFLOP | of matmul | peak above weights, MB |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        for (int i = 0; i < s_rewards.Length; i++)
        {
            string[] arguments = [typeof(RewardCost).Assembly.Location, Alone, i.ToString(CultureInfo.InvariantCulture)];
            using Process child = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
            Console.WriteLine(child.StandardOutput.ReadToEnd().Trim());
            child.WaitForExit();
        }
    }

    /// <summary>Measures one reward in this process, the child, and prints its row.</summary>
    /// <param name="reward">The reward's index.</param>
    public static void RunAlone(int reward)
    {
        (string name, Func<Network> make) = s_rewards[reward];
        Network network = make();
        double megabytes = network.Module.parameters().Sum(parameter => (double)parameter.numel() * 4) / 1e6;
        double forward = double.PositiveInfinity;
        var both = new List<CountedRun>();
        long? peak = PeakMemory.Of(() =>
        {
            for (int run = 0; run < 2; run++)
            {
                forward = Math.Min(forward, Compare.Seconds(() =>
                {
                    using DisposeScope scope = NewDisposeScope();
                    using IDisposable guard = no_grad();
                    network.Score(network.Pixels());
                }));
                long operations = 0;
                double seconds = Compare.Seconds(() => operations = FlopCounter.Count(() =>
                {
                    using DisposeScope scope = NewDisposeScope();
                    Recompute.Backward(network.Score(network.Pixels().requires_grad_(true)).mean());
                }));
                both.Add(new CountedRun(seconds, operations));
            }
        });
        string highest = peak is { } bytes ? (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture) : "-";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"| {name} | {megabytes:0} | {forward:0.00} | {both.MinBy(run => run.Seconds)} | {highest} |"));
    }

    private static Network ClipLarge()
    {
        var tower = new ClipVisionEncoder(ClipVisionConfig.VitL14, withProjection: true, Placement.Cpu);
        return new Network(Networks.Filled(tower), tower.forward, [1, 3, 224, 224]);
    }

    private static Network OpenClipHuge()
    {
        JsonElement json = Parse("""{"image_size": 224, "layers": 32, "width": 1280, "head_width": 80, "patch_size": 14}""");
        OpenClipVisionConfig config = OpenClipVisionConfig.FromJson(json, quickGelu: false);
        var tower = new OpenClipVisionTower(config, 1024, Placement.Cpu);
        return new Network(Networks.Filled(tower), tower.forward, [1, 3, 224, 224]);
    }

    private static Network Yolos(string json)
    {
        YolosConfig config = YolosConfig.FromJson(Parse(json));
        var detector = new YolosNetwork(config, Placement.Cpu);
        return new Network(Networks.Filled(detector), pixels => detector.Run(pixels).Logits, [1, 3, 512, 819]);
    }

    private static Network VideoMae()
    {
        VideoMaeConfig config = VideoMaeConfig.FromJson(Parse("""{"num_labels": 400, "use_mean_pooling": true}"""));
        var classifier = new VideoMaeNetwork(config, Placement.Cpu);
        return new Network(Networks.Filled(classifier), pixels => classifier.Run(pixels).Logits, [1, 16, 3, 224, 224]);
    }

    private static Network VJepaLarge()
    {
        VJepaConfig config = VJepaConfig.FromJson(Parse("""
            {"embed_dim": 1024, "depth": 24, "num_heads": 16, "pred_depth": 12, "pred_embed_dim": 384, "uniform_power": true, "use_mask_tokens": true,
             "num_mask_tokens": 2}
            """));
        var network = new VJepaNetwork(config, Placement.Cpu);
        var options = new VJepaOptions { RecomputeActivations = true };
        var reward = new VJepaReward(Networks.Filled(network), options, clamp: true, () => throw new NotSupportedException());
        return new Network(network, frames => reward.Score(frames, []), [1, 3, 16, 224, 224]);
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    /// <summary>The network of a reward.</summary>
    /// <param name="Module">Holds the weights.</param>
    /// <param name="Score">Pixels -> any tensor that depends on all of them.</param>
    /// <param name="Shape">The shape of the pixels.</param>
    private sealed record Network(nn.Module Module, Func<Tensor, Tensor> Score, long[] Shape)
    {
        public Tensor Pixels()
        {
            using var generator = new Generator(1);
            return rand(Shape, generator: generator);
        }
    }
}
