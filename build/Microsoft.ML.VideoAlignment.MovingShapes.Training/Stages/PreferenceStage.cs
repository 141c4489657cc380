using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the preference model: the reward's CLIP goes on learning, as HPS v2 does (arXiv 2306.09341), which of two frames is preferred for a prompt, by the
/// cross-entropy of their two cosines times the temperature. Preferred is the higher sum of true rating and three points for each of color, shape and
/// background that the frame has of the prompt. Captions of other pairs stay in the loss as negatives, as in CLIP's own, so that the prompt goes on being read.
/// </summary>
internal static class PreferenceStage
{
    public const string Name = "preference";

    private const int HalfBatch = 32;
    private const float PointsPerMatch = 3;
    private const double ContrastWeight = 0.5;
    private const int UnseenCount = 1024;
    private const int Stream = 9;
    private const int UnseenStream = 109;

    public static TrainingPlan Plan { get; } = new() { Steps = 500, PeakRate = 5e-4, WarmUp = 50, Beta2 = 0.98, WeightDecay = 0.01, AverageKeep = 0.98 };

    public static void Run(Workshop shop)
    {
        using ClipModel network = ClipStage.Load(shop);
        using var average = new ClipModel(ClipStage.Config, Placement.Cpu);
        Parameters.SetTrainable(network, true);
        using (var training = new TrainingRun(shop.StateFile(Name), network, average, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) => Loss(network, Pairs.Draw(Stream, (TrainingRun.Parts * step) + part, HalfBatch)));
        }

        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Pairs unseen = Pairs.Draw(UnseenStream, 0, UnseenCount);
        Tensor right = Cosines(average, unseen).Chosen.argmax(1).eq(unseen.Preferred);
        Tensor alike = tensor(unseen.Alike);
        shop.Note("preference pairs", Share(right));
        shop.Note("preference pairs of one subject", Share(right.masked_select(alike)));
        shop.Note("preference pairs of two subjects", Share(right.masked_select(alike.logical_not())));
        ClipStage.NoteZeroShot(shop, average, "preference");
    }

    /// <summary>The trained model, frozen.</summary>
    public static ClipModel Load(Workshop shop)
    {
        var network = new ClipModel(ClipStage.Config, Placement.Cpu);
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        return network;
    }

    private static Tensor Loss(ClipModel network, Pairs pairs)
    {
        (Tensor chosen, Tensor all) = Cosines(network, pairs);
        Tensor temperature = network.LogitScale.exp();
        Tensor diagonal = arange(all.shape[0], dtype: ScalarType.Int64);
        Tensor contrast = nn.functional.cross_entropy(all * temperature, diagonal) + nn.functional.cross_entropy(all.t() * temperature, diagonal);
        return nn.functional.cross_entropy(chosen * temperature, pairs.Preferred) + (ContrastWeight * contrast / 2);
    }

    /// <summary>Of each prompt with its two frames, [N, 2]; and of each pair's first frame (always the prompt's own) with every prompt, [N, N].</summary>
    private static (Tensor Chosen, Tensor All) Cosines(ClipModel network, Pairs pairs)
    {
        Tensor images = ClipModel.Normalize(ClipStage.Features(network, pairs.Frames)).unflatten(0, [-1, 2]); // [N, 2, P]
        Tensor texts = ClipModel.Normalize(network.GetTextFeatures(WordsStage.Vocabulary.Encode(pairs.Prompts)));
        return ((images * texts.unsqueeze(1)).sum(-1), images.select(1, 0).matmul(texts.t()));
    }

    private static double Share(Tensor right) => right.to_type(ScalarType.Float32).mean().item<float>();

    /// <param name="Prompts">N.</param>
    /// <param name="Frames">[2 N, 3, 32, 32]: the two of each prompt side by side, the first of the prompt's subject.</param>
    /// <param name="Preferred">int64 [N], 0 or 1.</param>
    /// <param name="Alike">Whether the second frame is of the prompt's subject too, so that the rating alone decides.</param>
    private sealed record Pairs(string[] Prompts, Tensor Frames, Tensor Preferred, bool[] Alike)
    {
        public static Pairs Draw(int stream, int step, int count)
        {
            Random random = StepRandom.Numbers(stream, step);
            string[] prompts = new string[count];
            bool[] alike = new bool[count];
            float[] matches = new float[2 * count];
            var frames = new (ShapesVideo Video, int Frame)[2 * count];
            for (int i = 0; i < count; i++)
            {
                ShapesVideo own = ShapesVideo.Draw(random, dull: false);
                ShapesVideo other = ShapesVideo.Draw(random, dull: false);
                Subject wanted = own.Subject;
                alike[i] = random.Next(2) == 0;
                if (alike[i])
                {
                    other = ShapesVideo.Draw(random, wanted, other.Quality);
                }
                else
                {
                    // Each attribute is another with one chance in two: often only one differs, such as the shape, which is the hardest to see.
                    Subject Kept(Subject subject) => subject with
                    {
                        Color = random.Next(2) == 0 ? wanted.Color : subject.Color,
                        Shape = random.Next(2) == 0 ? wanted.Shape : subject.Shape,
                        Background = random.Next(2) == 0 ? wanted.Background : subject.Background,
                    };
                    other = ShapesVideo.Draw(random, Kept(other.Subject), other.Quality);
                    alike[i] = Matches(wanted, other.Subject) == 3;
                }

                prompts[i] = Captions.Of(wanted, random.Next(Captions.Templates.Count));
                frames[2 * i] = (own, random.Next(ShapesVideo.Frames));
                frames[(2 * i) + 1] = (other, random.Next(ShapesVideo.Frames));
                (matches[2 * i], matches[(2 * i) + 1]) = (3, Matches(wanted, other.Subject));
            }

            Tensor images = RatedFrames.Soften(Painter.PaintFrames(frames), random);
            Tensor worth = (TrueRating.Rate(images) + (PointsPerMatch * tensor(matches))).unflatten(0, [count, 2]);
            return new Pairs(prompts, images, worth.argmax(1), alike);
        }

        private static int Matches(Subject a, Subject b) =>
            (a.Color == b.Color ? 1 : 0) + (a.Shape == b.Shape ? 1 : 0) + (a.Background == b.Background ? 1 : 0);
    }
}
