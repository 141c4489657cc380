using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the heads on the image features of rated frames: LAION's form to the true rating, VADER's weather form to how light the backdrop is, VADER's
/// compression form to the size of the frame as JPEG.
/// </summary>
internal static class HeadStage
{
    public const string Name = "head";

    private const int Samples = 8192;
    private const int UnseenCount = 2048;
    private const int HalfBatch = 128;
    private const int UnseenStep = 100;

    private static readonly Head[] s_heads =
    [
        new(Name, "aesthetic-head", HeadForm.Affine, Stream: 5, StartsAt: 5, [(0, 64, 1024), (2, 1024, 128), (4, 128, 64), (6, 64, 16), (7, 16, 1)], Ratings),
        new("weather", "weather-head", HeadForm.Sigmoid, Stream: 15, StartsAt: 0, [(0, 64, 1024), (2, 1024, 128), (4, 128, 64), (6, 64, 16), (7, 16, 1)],
            Light),
        new("compression", "compression-head", HeadForm.Rectified, Stream: 16, StartsAt: 1, [(0, 64, 128), (3, 128, 64), (6, 64, 16), (9, 16, 1)],
            JpegSize.Kilobytes),
    ];

    public static TrainingPlan Plan { get; } = new() { Steps = 1000, PeakRate = 1e-3 };

    /// <summary>State names and the files they become.</summary>
    public static IEnumerable<(string State, string File)> Files => s_heads.Select(head => (head.State, head.File + ".safetensors"));

    public static void Run(Workshop shop)
    {
        foreach (Head head in s_heads)
        {
            Train(shop, head);
        }
    }

    public static ScoreHead Load(Workshop shop, string state)
    {
        ScoreHead network = s_heads.Single(head => head.State == state).Make();
        TrainingRun.LoadResult(shop.StateFile(state), network);
        return network;
    }

    private static void Train(Workshop shop, Head head)
    {
        using DisposeScope scope = NewDisposeScope();
        ClipModel clip = ClipStage.Load(shop);
        (Tensor features, Tensor targets) = Draw(clip, head, head.Stream, Samples);
        using ScoreHead network = head.Make();
        using (Generator generator = StepRandom.Tensors(head.Stream, -1))
        {
            Initializer.Fill(network, generator);
            using IDisposable still = no_grad();
            network.parameters().Last().fill_(head.StartsAt); // the last bias: what the head says before it has learned anything
        }

        using (var training = new TrainingRun(shop.StateFile(head.State), network, null, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) =>
            {
                Random random = StepRandom.Numbers(head.Stream, (TrainingRun.Parts * step) + part);
                Tensor rows = tensor([.. Enumerable.Range(0, HalfBatch).Select(_ => (long)random.Next(Samples))]);
                (Tensor logits, Tensor wanted) = (network.Logits(features.index_select(0, rows)), targets.index_select(0, rows));
                return head.Form == HeadForm.Sigmoid
                    ? nn.functional.binary_cross_entropy_with_logits(logits, wanted)
                    : (logits - wanted).square().mean();
            });
        }

        using IDisposable guard = no_grad();
        (Tensor unseen, Tensor truth) = Draw(clip, head, head.Stream + UnseenStep, UnseenCount);
        Tensor predicted = network.forward(unseen);
        (Tensor a, Tensor b) = (predicted - predicted.mean(), truth - truth.mean());
        shop.Note($"{head.State} correlation", ((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt()).item<float>());
        shop.Note($"{head.State} rmse", (predicted - truth).square().mean().sqrt().item<float>());
    }

    private static (Tensor Features, Tensor Targets) Draw(ClipModel clip, Head head, int stream, int count)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (ShapesVideo[] videos, Tensor frames) = RatedFrames.Draw(stream, 0, count, 0);
        return (ClipModel.Normalize(ClipStage.Features(clip, frames)).MoveToOuterDisposeScope(), head.Target(videos, frames).MoveToOuterDisposeScope());
    }

    private static Tensor Ratings(ShapesVideo[] videos, Tensor frames) => TrueRating.Rate(frames);

    /// <summary>The backdrop's gray itself: a head told only of light and dark becomes so sure that its sigmoid has no slope left.</summary>
    private static Tensor Light(ShapesVideo[] videos, Tensor frames) => tensor(videos.Select(video => video.Backdrop.Gray).ToArray()).clamp(0, 1);

    /// <param name="State">Name of the state file and of the figures.</param>
    /// <param name="File">Name of the shipped file.</param>
    /// <param name="Form">What stands between and after the linear layers.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="StartsAt">The last bias at the beginning.</param>
    /// <param name="Layers">Numbers in the names, inputs, outputs; numbers between are dropouts and activations there, which have no weights.</param>
    /// <param name="Target">Videos and the frame drawn of each [N, 3, 32, 32] -> what the head should say [N].</param>
    private sealed record Head(
        string State, string File, HeadForm Form, int Stream, double StartsAt, (int Number, long In, long Out)[] Layers,
            Func<ShapesVideo[], Tensor, Tensor> Target)
    {
        public ScoreHead Make() => ScoreHead.Create(Form, Layers, Placement.Cpu);
    }
}
