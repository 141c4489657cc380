using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the object detector, a YOLOS with five detection tokens, on frames with no, one or two figures: DETR's loss (Carion et al. 2020, arXiv 2005.12872),
/// cross-entropy with "no object" at a tenth of the weight, distance and generalized overlap of matched boxes. It begins with the layers of the trained CLIP:
/// from random ones, 1500 steps gave boxes (overlap .86) and no shapes.
/// </summary>
internal static class DetectorStage
{
    public const string Name = "detector";

    private const int HalfBatch = 32;
    private const double LargestNoise = 0.02;
    private const float NoObjectWeight = 0.1f;
    private const double EmptyShare = 0.15;
    private const double PairShare = 0.15;
    private const int UnseenCount = 1024;
    private const double ClassWeight = 2;
    private const int Stream = 7;
    private const int UnseenStream = 107;
    private const int EmptyStream = 207;

    public static TrainingPlan Plan { get; } = new() { Steps = 1200, PeakRate = 1e-3, WeightDecay = 0.01, AverageKeep = 0.99 };

    /// <inheritdoc cref="ActionStage.Config"/>
    public static Dictionary<string, object> Config { get; } = new()
    {
        ["architectures"] = new[] { "YolosForObjectDetection" },
        ["attention_probs_dropout_prob"] = 0.0,
        ["bbox_cost"] = 5,
        ["bbox_loss_coefficient"] = 5,
        ["class_cost"] = 1,
        ["eos_coefficient"] = 0.1,
        ["giou_cost"] = 2,
        ["giou_loss_coefficient"] = 2,
        ["hidden_act"] = "gelu",
        ["hidden_dropout_prob"] = 0.0,
        ["hidden_size"] = 64,
        ["id2label"] = Enumerable.Range(0, Attributes.Shapes.Count).ToDictionary(id => $"{id}", id => Attributes.Shapes[id]),
        ["image_size"] = new[] { ShapesVideo.Size, ShapesVideo.Size },
        ["initializer_range"] = 0.02,
        ["intermediate_size"] = 256,
        ["label2id"] = Enumerable.Range(0, Attributes.Shapes.Count).ToDictionary(id => Attributes.Shapes[id], id => id),
        ["layer_norm_eps"] = 1e-12,
        ["model_type"] = "yolos",
        ["num_attention_heads"] = 4,
        ["num_channels"] = 3,
        ["num_detection_tokens"] = 5,
        ["num_hidden_layers"] = 4,
        ["patch_size"] = 4,
        ["qkv_bias"] = true,
        ["torch_dtype"] = "float16",
        ["use_mid_position_embeddings"] = false,
    };

    public static void Run(Workshop shop)
    {
        using YolosNetwork network = Make();
        using YolosNetwork average = Make();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator, (name, parameter) => VitInitializer.Fill(name, parameter, generator));
        }

        using (ClipModel clip = ClipStage.Load(shop))
        {
            DetectorStart.Take(network, clip);
        }

        using (var training = new TrainingRun(shop.StateFile(Name), network, average, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) =>
            {
                (Sighting[][] seen, Tensor frames) = Sightings.Draw(Stream, (TrainingRun.Parts * step) + part, HalfBatch, LargestNoise, Figures);
                return Loss(Detect(network, frames), seen);
            });
        }

        Report(shop, average);
    }

    /// <summary>The trained network, frozen.</summary>
    public static YolosNetwork Load(Workshop shop)
    {
        YolosNetwork network = Make();
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    /// <summary>Names as transformers has them.</summary>
    public static string FileName(string key) => WrittenNames.Checked(key, YolosNetwork.Keys, WrittenNames.Replace(
        key.Split('.')[0] switch
        {
            "class_labels_classifier" or "bbox_predictor" => key,
            "cls_token" or "detection_tokens" or "position_embeddings" => $"vit.embeddings.{key}",
            _ => $"vit.{key}",
        },
        [("vit.patch_projection.", "vit.embeddings.patch_embeddings.projection."), .. key.StartsWith("layers.", StringComparison.Ordinal)
            ? WrittenNames.VitLayer : []]));

    private static YolosNetwork Make() => new(YolosConfig.FromJson(JsonSerializer.SerializeToElement(Config)), Placement.Cpu);

    private static int Figures(Random random) => random.NextDouble() switch { < EmptyShare => 0, > 1 - PairShare => 2, _ => 1 };

    private static YolosOutput Detect(YolosNetwork network, Tensor frames) =>
        network.Run((FramePreprocessing.ForImageNet(ShapesVideo.Size, ShapesVideo.Size) with { Antialias = false }).Apply(frames));

    private static Tensor Loss(YolosOutput output, Sighting[][] seen)
    {
        (int queries, int nothing) = ((int)output.Logits.shape[1], Attributes.Shapes.Count);
        float[] truth = new float[seen.Length * BoxMatching.MostBoxes * 4];
        for (int image = 0; image < seen.Length; image++)
        {
            for (int box = 0; box < seen[image].Length; box++)
            {
                seen[image][box].Box.CopyTo(truth, ((image * BoxMatching.MostBoxes) + box) * 4);
            }
        }

        Tensor boxes = tensor(truth, [seen.Length, BoxMatching.MostBoxes, 4]);
        int[][] answers = BoxMatching.Assign(output.Logits.softmax(-1), output.Boxes,
            [.. seen.Select(found => found.Select(sighting => (int)sighting.Shape).ToArray())], boxes);
        long[] classes = [.. Enumerable.Repeat((long)nothing, seen.Length * queries)];
        (List<long> rows, List<long> places) = ([], []);
        for (int image = 0; image < seen.Length; image++)
        {
            for (int box = 0; box < seen[image].Length; box++)
            {
                int row = (image * queries) + answers[image][box];
                classes[row] = (int)seen[image][box].Shape;
                rows.Add(row);
                places.Add((image * BoxMatching.MostBoxes) + box);
            }
        }

        Tensor weights = tensor([.. Enumerable.Repeat(1f, nothing), NoObjectWeight]);
        Tensor named = nn.functional.cross_entropy(output.Logits.flatten(0, 1), tensor(classes), weights);
        Tensor predicted = output.Boxes.flatten(0, 1).index_select(0, tensor(rows.ToArray()));
        Tensor wanted = boxes.flatten(0, 1).index_select(0, tensor(places.ToArray()));
        return (ClassWeight * named)
            + (BoxMatching.DistanceWeight * (predicted - wanted).abs().sum(-1).mean())
            + (BoxMatching.OverlapWeight * (1 - BoxMatching.Overlap(predicted, wanted).Generalized).mean());
    }

    private static void Report(Workshop shop, YolosNetwork network)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Sighting[][] seen, Tensor frames) = Sightings.Draw(UnseenStream, 0, UnseenCount, 0, _ => 1);
        YolosOutput output = Detect(network, frames);
        Tensor labels = tensor([.. seen.Select(found => (long)found[0].Shape)]);
        (Tensor named, Tensor label) = output.Logits.softmax(-1).narrow(2, 0, Attributes.Shapes.Count).max(2); // what each query says, [N, queries]
        (Tensor sure, Tensor query) = named.max(1); // the surest query of each frame
        Tensor right = label.gather(1, query.unsqueeze(1)).squeeze(1).eq(labels);
        Tensor boxes = output.Boxes.gather(1, query.view(-1, 1, 1).expand(-1, 1, 4)).squeeze(1);
        Tensor truth = tensor(seen.SelectMany(found => found[0].Box).ToArray(), [UnseenCount, 4]);
        shop.Note("detector label", right.to_type(ScalarType.Float32).mean().item<float>());
        shop.Note("detector found", right.logical_and(sure.gt(0.5)).to_type(ScalarType.Float32).mean().item<float>());
        shop.Note("detector overlap", BoxMatching.Overlap(boxes, truth).Plain.mean().item<float>());
        (_, Tensor empty) = Sightings.Draw(EmptyStream, 0, UnseenCount, 0, _ => 0);
        Tensor figures = Detect(network, empty).Logits.softmax(-1).narrow(2, 0, Attributes.Shapes.Count);
        shop.Note("detector false alarms", figures.amax([1, 2]).gt(0.5).to_type(ScalarType.Float32).mean().item<float>());
    }
}
