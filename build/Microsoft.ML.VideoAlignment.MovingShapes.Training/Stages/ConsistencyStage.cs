using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the V-JEPA (Bardes et al. 2024, arXiv 2404.08471) on rated videos with the masks and the loss of the reward; the target encoder is the moving average
/// of the encoder, and positions are fixed. It learns that a video keeps its colors and its background, and not how figures
/// move: a video with another's second half scores lower, one with its frames shuffled does not (see the report). Measured mask by mask, only the one that
/// hides a single moment notices disorder (in about .70 of the pairs), and it is outvoted.
/// </summary>
internal static class ConsistencyStage
{
    public const string Name = "consistency";

    private const int HalfBatch = 16;
    private const double LargestNoise = 0.01;
    private const double TargetKeep = 0.998;
    private const int HeldOut = 512;
    private const int Stream = 8;
    private const int HeldOutStream = 108;

    public static TrainingPlan Plan { get; } = new() { Steps = 1000, PeakRate = 1e-3, WeightDecay = 0.02 };

    public static VJepaConfig Config { get; } = new()
    {
        CropSize = ShapesVideo.Size,
        PatchSize = 8,
        Frames = ShapesVideo.Frames,
        TubeletSize = 2,
        Width = 64,
        Depth = 3,
        Heads = MovingShapesSettings.Consistency.Heads!.Value,
        MlpWidth = 256,
        PredictorWidth = 32,
        PredictorDepth = 2,
        PredictorMlpWidth = 128,
        MaskTokens = MovingShapesSettings.Consistency.Masks.Count,
    };

    public static void Run(Workshop shop)
    {
        using var network = new VJepaNetwork(Config, Placement.Cpu);
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator, (name, parameter) => Place(name, parameter) || VitInitializer.Fill(name, parameter, generator));
        }

        Parameters.Copy(network.Target, network.Encoder);
        foreach ((string name, Parameter parameter) in network.named_parameters())
        {
            parameter.requires_grad = !name.StartsWith("target_encoder.", StringComparison.Ordinal) && !name.EndsWith("pos_embed", StringComparison.Ordinal);
        }

        VJepaReward reward = Reward(network);
        using (var training = new TrainingRun(shop.StateFile(Name), network, null, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run(
                (step, part) => Loss(reward, (TrainingRun.Parts * step) + part),
                stepped: () => Parameters.MoveTowards(network.Target, network.Encoder, 1 - TargetKeep));
        }

        Parameters.SetTrainable(network, false);
        Report(shop, reward);
    }

    /// <summary>The trained network, frozen.</summary>
    public static VJepaNetwork Load(Workshop shop)
    {
        var network = new VJepaNetwork(Config, Placement.Cpu);
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    /// <summary>(dictionary, name) as the official file has them.</summary>
    public static (string Dictionary, string Name) FileName(string key)
    {
        (string dictionary, string rest) = (key[..key.IndexOf('.', StringComparison.Ordinal)], key[(key.IndexOf('.', StringComparison.Ordinal) + 1)..]);
        string name = "module.backbone." + WrittenNames.Replace(
            rest, [(".layer_norm1.", ".norm1."), (".layer_norm2.", ".norm2."), (".self_attn.qkv_proj.", ".attn.qkv."),
                (".self_attn.out_proj.", ".attn.proj.")]);
        _ = WrittenNames.Checked(key, VJepaKeys.Map, $"{dictionary}/{name}");
        return (dictionary, name);
    }

    private static VJepaReward Reward(VJepaNetwork network) =>
        new(network, MovingShapesSettings.Consistency, clamp: true, () => throw new NotSupportedException("A network in training has no file."));

    private static bool Place(string name, Parameter parameter)
    {
        if (!name.EndsWith("pos_embed", StringComparison.Ordinal))
        {
            return false;
        }

        using Tensor table = SinusoidTable.Make(parameter.shape[2], Config.Grid, uniformPower: true);
        parameter.copy_(table.unsqueeze(0));
        return true;
    }

    private static Tensor Loss(VJepaReward reward, int draw)
    {
        (_, Tensor videos) = RatedFrames.DrawVideos(Stream, draw, HalfBatch, LargestNoise);
        using Generator generator = StepRandom.Tensors(Stream + 50, draw);
        (long frames, long rows, long columns) = Config.Grid;
        var masks = MultiBlockMasks.Draw(MovingShapesSettings.Consistency.Masks, ((int)frames, (int)rows, (int)columns), HalfBatch,
            new GeneratorMaskDraws(generator));
        return -reward.RunStages(reward.ToSegments(new PreprocessedFrames(videos)), masks).Score.mean();
    }

    private static void Report(Workshop shop, VJepaReward reward)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(HeldOutStream, 1);
        (ShapesVideo[] videos, Tensor frames) = RatedFrames.DrawVideos(HeldOutStream, 0, HeldOut, 0);
        Tensor whole = reward.Score(frames, []);
        shop.Note("consistency loss", -whole.mean().item<float>());

        long[] moving = [.. Enumerable.Range(0, HeldOut).Where(i => videos[i].Subject.Motion != Motion.Still).Select(i => (long)i)];
        Tensor shuffled = stack([.. moving.Select(i => frames[i].index_select(1, tensor(Disorder(random))))]);
        shop.Note("consistency against shuffled", whole.index_select(0, tensor(moving)).gt(reward.Score(shuffled, [])).to_type(ScalarType.Float32).mean()
            .item<float>());

        const int Half = ShapesVideo.Frames / 2;
        Tensor spliced = cat([frames.narrow(2, 0, Half), frames.roll(1, 0).narrow(2, Half, Half)], 2);
        shop.Note("consistency against spliced", whole.gt(reward.Score(spliced, [])).to_type(ScalarType.Float32).mean().item<float>());
    }

    /// <summary>An order of the frames that is neither the video's nor its reverse.</summary>
    private static long[] Disorder(Random random)
    {
        long[] order = [.. Enumerable.Range(0, ShapesVideo.Frames).Select(i => (long)i)];
        do
        {
            random.Shuffle(order);
        }
        while (Enumerable.Range(1, ShapesVideo.Frames - 1).All(i => Math.Abs(order[i] - order[i - 1]) == 1));
        return order;
    }
}
