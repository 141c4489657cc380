using System.Globalization;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Trains the aesthetic head, of LAION's form, on the image features of rated frames: mean square error to the true rating.</summary>
internal static class HeadStage
{
    public const string Name = "head";

    private const int Samples = 8192;
    private const int HalfBatch = 128;
    private const int Stream = 5;
    private const int HeldOutStream = 105;

    public static TrainingPlan Plan { get; } = new() { Steps = 1000, PeakRate = 1e-3 };

    public static void Run(Workshop shop)
    {
        using DisposeScope scope = NewDisposeScope();
        ClipModel clip = ClipStage.Load(shop);
        (Tensor features, Tensor ratings) = Draw(clip, Stream, Samples);
        using var head = new Head();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initialiser.Fill(head, generator);
            head.StartAt(5);
        }

        using (var training = new TrainingRun(shop.StateFile(Name), head, null, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) =>
            {
                Random random = StepRandom.Numbers(Stream, (TrainingRun.Parts * step) + part);
                Tensor rows = tensor([.. Enumerable.Range(0, HalfBatch).Select(_ => (long)random.Next(Samples))]);
                return (head.Forward(features.index_select(0, rows)) - ratings.index_select(0, rows)).square().mean();
            });
        }

        using IDisposable guard = no_grad();
        (Tensor unseen, Tensor truth) = Draw(clip, HeldOutStream, 2048);
        Tensor predicted = head.Forward(unseen);
        (Tensor a, Tensor b) = (predicted - predicted.mean(), truth - truth.mean());
        shop.Note("head correlation", ((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt()).item<float>());
        shop.Note("head rmse", (predicted - truth).square().mean().sqrt().item<float>());
    }

    public static Head Load(Workshop shop)
    {
        var head = new Head();
        TrainingRun.LoadResult(shop.StateFile(Name), head);
        return head;
    }

    private static (Tensor Features, Tensor Ratings) Draw(ClipModel clip, int stream, int count)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (_, Tensor frames) = RatedFrames.Draw(stream, 0, count, 0);
        return (ClipModel.Normalize(ClipStage.Features(clip, frames)).MoveToOuterDisposeScope(), TrueRating.OfFrames(frames).MoveToOuterDisposeScope());
    }

    /// <summary>Linear layers 64-1024-128-64-16-1 under LAION's keys; the numbers between are dropouts there, which have no weights.</summary>
    internal sealed class Head : nn.Module
    {
        [ComponentName(Name = "layers")]
        private readonly Numbered _layers = new();

        public Head()
            : base(nameof(Head)) => RegisterComponents();

        /// <summary>embedding: [N, 64], l2-normalised -> [N].</summary>
        public Tensor Forward(Tensor embedding)
        {
            using DisposeScope scope = NewDisposeScope();
            return _layers.Linears.Aggregate(embedding, (x, linear) => linear.forward(x)).squeeze(1).MoveToOuterDisposeScope();
        }

        /// <summary>The last bias: what the head says before it has learned anything.</summary>
        public void StartAt(double rating)
        {
            using IDisposable guard = no_grad();
            _layers.get_parameter("7.bias")!.fill_(rating);
        }

        private sealed class Numbered : nn.Module
        {
            private static readonly (int Number, int In, int Out)[] s_layers = [(0, 64, 1024), (2, 1024, 128), (4, 128, 64), (6, 64, 16), (7, 16, 1)];

            public Numbered()
                : base(nameof(Numbered))
            {
                Linears = [.. s_layers.Select(layer => new Linear(layer.In, layer.Out, Placement.Cpu))];
                for (int i = 0; i < s_layers.Length; i++)
                {
                    register_module(s_layers[i].Number.ToString(CultureInfo.InvariantCulture), Linears[i]);
                }
            }

            public Linear[] Linears { get; }
        }
    }
}
