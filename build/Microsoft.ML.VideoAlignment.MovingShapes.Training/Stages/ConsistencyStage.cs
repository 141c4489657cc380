using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the V-JEPA of this world: V-JEPA's networks, masks and loss (Bardes et al. 2024, arXiv 2404.08471), with a target encoder that is taught by labels
/// and then frozen, where V-JEPA's is the moving average of the encoder and nobody tells it anything.
/// </summary>
/// <remarks>
/// Without labels no network of this size noticed that a shape changes (.50 to .59 of pairs, chance is .50): shapes are a small part of what these videos
/// differ in. A frozen teacher is SALT's (Li et al. 2025, arXiv 2509.24317), which teaches it with pixels. The encoder begins as the teacher, and encoder and
/// predictor learn to foresee its features: of one hidden moment, and of the second half of the video.
/// </remarks>
internal static class ConsistencyStage
{
    public const string Name = "consistency";
    public const string TeacherName = "consistency-teacher";

    private const int HalfBatch = 16;
    private const int Stream = 8;
    private const int TeacherStream = 18;
    private const int UnseenStream = 118;

    public static TrainingPlan TeacherPlan { get; } = new() { Steps = 1900, PeakRate = 2e-3, WarmUp = 50, WeightDecay = 0.02, SaveEvery = 100 };

    public static TrainingPlan Plan { get; } = new() { Steps = 1300, PeakRate = 2e-3, WarmUp = 50, WeightDecay = 0.02, SaveEvery = 100 };

    /// <summary>The kinds of mask that are learned; a step has both, one in each half of its batch.</summary>
    private static VJepaMask[] Kinds => [MovingShapesSettings.Moment, MovingShapesSettings.SecondHalf];

    public static VJepaConfig Config { get; } = new()
    {
        CropSize = ShapesVideo.Size,
        PatchSize = 8,
        Frames = ShapesVideo.Frames,
        TubeletSize = 1,
        Width = 64,
        Depth = 3,
        Heads = MovingShapesSettings.Consistency.Heads!.Value,
        MlpWidth = 256,
        PredictorWidth = 64,
        PredictorDepth = 2,
        PredictorMlpWidth = 256,
        MaskTokens = 2,
    };

    public static void Run(Workshop shop)
    {
        Teach(shop);
        using VJepaNetwork network = Make();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            VJepaInitializer.Fill(network, Config.Grid, generator);
        }

        using (var teacher = new ConsistencyTeacher(Config))
        {
            TrainingRun.LoadResult(shop.StateFile(TeacherName), teacher);
            Parameters.Copy(network.Target, teacher.Encoder);
            Parameters.Copy(network.Encoder, teacher.Encoder);
        }

        Parameters.SetTrainable(network.Target, false);
        VJepaReward reward = ConsistencyReport.MakeReward(network);
        using (var training = new TrainingRun(shop.StateFile(Name), network, null, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) => Loss(reward, part, (TrainingRun.Parts * step) + part));
        }

        using VJepaNetwork finished = Load(shop);
        ConsistencyReport.Write(shop, finished);
    }

    /// <summary>
    /// Loads the trained network, frozen, with a token for each mask of the reward's round: three moments, whose tokens are copies of one, and the second half.
    /// </summary>
    public static VJepaNetwork Load(Workshop shop)
    {
        using VJepaNetwork trained = Make();
        TrainingRun.LoadResult(shop.StateFile(Name), trained);
        var network = new VJepaNetwork(Config with { MaskTokens = MovingShapesSettings.ConsistencyRound }, Placement.Cpu);
        using IDisposable guard = no_grad();
        foreach ((string name, Parameter parameter) in network.named_parameters())
        {
            parameter.copy_(trained.get_parameter(TrainedName(name))!);
            parameter.requires_grad = false;
        }

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

    private static void Teach(Workshop shop)
    {
        TrainingPlan plan = TeacherPlan with { Steps = shop.Steps ?? TeacherPlan.Steps };
        if (TrainingRun.IsFinished(shop.StateFile(TeacherName), plan))
        {
            return;
        }

        using var teacher = new ConsistencyTeacher(Config);
        using (Generator generator = StepRandom.Tensors(TeacherStream, -1))
        {
            VJepaInitializer.Fill(teacher, Config.Grid, generator);
        }

        using (var training = new TrainingRun(shop.StateFile(TeacherName), teacher, null, plan, shop.Log))
        {
            training.Run(
                (step, part) =>
                {
                    ConsistencyLesson lesson = ConsistencyLessons.DrawHard(TeacherStream, (TrainingRun.Parts * step) + part, HalfBatch);
                    return teacher.Loss(Normalized(lesson.Videos), lesson);
                },
                saved: () => Note(shop, teacher));
        }
    }

    private static void Note(Workshop shop, ConsistencyTeacher teacher)
    {
        using DisposeScope scope = NewDisposeScope();
        ConsistencyLesson unseen = ConsistencyLessons.DrawHard(UnseenStream, 0, 8 * HalfBatch);
        (double shape, double color) = teacher.Measure(Normalized(unseen.Videos), unseen);
        shop.Note("consistency teacher shape", shape);
        shop.Note("consistency teacher colour", color);
    }

    private static VJepaNetwork Make() => new(Config, Placement.Cpu);

    private static string TrainedName(string name)
    {
        const string Tokens = "predictor.mask_tokens.";
        return name.StartsWith(Tokens, StringComparison.Ordinal) ? Tokens + (name == $"{Tokens}{MovingShapesSettings.ConsistencyRound - 1}" ? "1" : "0") : name;
    }

    private static Tensor Loss(VJepaReward reward, int kind, int draw)
    {
        Tensor clips = Normalized(ConsistencyLessons.DrawWhole(Stream, draw, HalfBatch));
        using Generator generator = StepRandom.Tensors(Stream + 50, draw);
        (long frames, long rows, long columns) = Config.Grid;
        var masks = MultiBlockMasks.Draw([Kinds[kind]], ((int)frames, (int)rows, (int)columns), HalfBatch, new GeneratorMaskDraws(generator));
        return -reward.RunStages(clips, masks, firstMask: kind).Score.mean();
    }

    private static Tensor Normalized(Tensor videos)
    {
        Tensor images = FramePreprocessing.ForImageNet(ShapesVideo.Size, ShapesVideo.Size).Apply(PreprocessedFrames.ToImages(videos));
        return images.unflatten(0, [videos.shape[0], videos.shape[2]]).transpose(1, 2);
    }
}
