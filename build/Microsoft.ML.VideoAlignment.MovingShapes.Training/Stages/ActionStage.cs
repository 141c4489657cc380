using System.Text.Json;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Trains the action classifier, a VideoMAE without its pre-training, on the motions of rated videos: cross-entropy of six labels.</summary>
internal static class ActionStage
{
    public const string Name = "action";

    private const int HalfBatch = 32;
    private const double LargestNoise = 0.02;
    private const int UnseenCount = 1024;
    private const int Stream = 6;
    private const int UnseenStream = 106;

    public static TrainingPlan Plan { get; } = new() { Steps = 800, PeakRate = 1e-3, WeightDecay = 0.02, AverageKeep = 0.99 };

    /// <summary>The config.json that ships, which the network is made from here too.</summary>
    public static Dictionary<string, object> Config { get; } = new()
    {
        ["architectures"] = new[] { "VideoMAEForVideoClassification" },
        ["attention_probs_dropout_prob"] = 0.0,
        ["hidden_act"] = "gelu",
        ["hidden_dropout_prob"] = 0.0,
        ["hidden_size"] = 64,
        ["id2label"] = Enumerable.Range(0, Attributes.Motions.Count).ToDictionary(id => $"{id}", id => Attributes.Motions[id]),
        ["image_size"] = ShapesVideo.Size,
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = 256,
        ["label2id"] = Enumerable.Range(0, Attributes.Motions.Count).ToDictionary(id => Attributes.Motions[id], id => id),
        ["layer_norm_eps"] = 1e-12,
        ["model_type"] = "videomae",
        ["num_attention_heads"] = 4,
        ["num_channels"] = 3,
        ["num_frames"] = ShapesVideo.Frames,
        ["num_hidden_layers"] = 3,
        ["patch_size"] = 8,
        ["qkv_bias"] = true,
        ["torch_dtype"] = "float16",
        ["tubelet_size"] = 2,
        ["use_mean_pooling"] = true,
    };

    public static void Run(Workshop shop)
    {
        using VideoMaeNetwork network = Make();
        using VideoMaeNetwork average = Make();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator, (name, parameter) => VitInitializer.Fill(name, parameter, generator));
        }

        using (var training = new TrainingRun(shop.StateFile(Name), network, average, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) =>
            {
                (ShapesVideo[] videos, Tensor frames) = RatedFrames.DrawVideos(Stream, (TrainingRun.Parts * step) + part, HalfBatch, LargestNoise);
                return nn.functional.cross_entropy(Logits(network, frames), Labels(videos));
            });
        }

        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (ShapesVideo[] unseen, Tensor painted) = RatedFrames.DrawVideos(UnseenStream, 0, UnseenCount, 0);
        shop.Note("action accuracy", Logits(average, painted).argmax(1).eq(Labels(unseen)).to_type(ScalarType.Float32).mean().item<float>());
    }

    /// <summary>The trained network, frozen.</summary>
    public static VideoMaeNetwork Load(Workshop shop)
    {
        VideoMaeNetwork network = Make();
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    /// <summary>Names as transformers has them.</summary>
    public static string FileName(string key) => WrittenNames.Checked(key, VideoMaeNetwork.Keys, WrittenNames.Replace(
        key.StartsWith("classifier.", StringComparison.Ordinal) || key.StartsWith("fc_norm.", StringComparison.Ordinal) ? key : $"videomae.{key}",
        [("videomae.patch_projection.", "videomae.embeddings.patch_embeddings.projection."), ("q_proj.bias", "q_bias"), ("v_proj.bias", "v_bias"),
            .. WrittenNames.VitLayer]));

    private static VideoMaeNetwork Make() => new(VideoMaeConfig.FromJson(JsonSerializer.SerializeToElement(Config)), Placement.Cpu);

    private static Tensor Logits(VideoMaeNetwork network, Tensor videos)
    {
        Tensor images = FramePreprocessing.ForImageNet(ShapesVideo.Size, ShapesVideo.Size).Apply(PreprocessedFrames.ToImages(videos));
        return network.Run(images.unflatten(0, [videos.shape[0], videos.shape[2]])).Logits;
    }

    private static Tensor Labels(ShapesVideo[] videos) => tensor([.. videos.Select(video => (long)video.Subject.Motion)]);
}
