using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the denoiser and its text encoder, which begins as CLIP's, on dull videos: weighted mean square error at timesteps spread evenly over each batch,
/// captions in one of four sentences, one in ten replaced by the empty prompt for guidance. First the network learns to predict the noise, with the weights of
/// Min-SNR (Hang et al. 2023, arXiv 2303.09556), under which the middle of the schedule counts most and shapes are learned, then with weights that count an
/// error of the clean video alike at all noise. Last it learns to predict v on a schedule that ends in pure noise (Lin et al. 2023, arXiv 2305.08891), where
/// some samples are answered by the mean video of their prompt: what a video is to be (which way the figure moves) is decided there, and a prediction of the
/// noise loses it in its own error. Two short parts insist on the direction and come back to whole videos.
/// </summary>
internal static class UNetStage
{
    public const string Name = "unet";

    private const int HalfBatch = 8;
    private const double EmptyShare = 0.1;

    /// <summary>Largest signal-to-noise ratio that Min-SNR counts in full.</summary>
    private const double LargestRatio = 5;

    /// <summary>Largest weight of a sample's error once errors of the clean video count alike.</summary>
    private const double LargestWeight = 20;

    /// <summary>Each part goes on from the result of the one before.</summary>
    private static readonly Part[] s_parts =
    [
        new("unet-shapes", Stream: 3, Plan(1600, warmUp: 100, averageKeep: 0.998)) { Weight = abar => Math.Min(LargestRatio * (1 - abar) / abar, 1) },
        new("unet-videos", Stream: 6, Plan(4200, warmUp: 50, averageKeep: 0.998)) { Weight = abar => Math.Min(1 / abar, LargestWeight), MeanSamples = 1,
            MeanWeight = 0.25 },
        new("unet-velocity", Stream: 8, Plan(1500, warmUp: 50, averageKeep: 0.995)) { PredictsVelocity = true, MeanSamples = 2 },
        new("unet-order", Stream: 9, Plan(700, warmUp: 50, averageKeep: 0.995)) { PredictsVelocity = true, MeanSamples = 6, OrderWeight = 4 },
        new(Name, Stream: 10, Plan(400, warmUp: 20, averageKeep: 0.995) with { PeakRate = 5e-4 }) { PredictsVelocity = true, MeanSamples = 2, OrderWeight = 4 },
    ];

    /// <summary>State names of the parts, in order.</summary>
    public static IEnumerable<string> PartNames => s_parts.Select(part => part.Name);

    public static void Run(Workshop shop)
    {
        using Tensor latents = LatentStage.Load(shop);
        ShapesVideo[] videos = LatentStage.DrawVideos();
        using Tensor means = MeansBySubject(latents, videos);
        var lesson = new Lesson(latents, means, videos);
        for (int i = 0; i < s_parts.Length; i++)
        {
            Part part = s_parts[i];
            if (TrainingRun.IsFinished(shop.StateFile(part.Name), part.Plan))
            {
                continue;
            }

            using var model = new BaseModel();
            if (i == 0)
            {
                using Generator generator = StepRandom.Tensors(part.Stream, -1);
                model.Initialize(generator);
                using ClipModel clip = ClipStage.Load(shop);
                model.TakeText(clip);
            }
            else
            {
                TrainingRun.LoadResult(shop.StateFile(s_parts[i - 1].Name), model);
            }

            Train(shop, part, model, lesson, ForwardProcess.FromConfig(BaseModel.SchedulerConfig(part.PredictsVelocity)));
        }
    }

    /// <summary>The moving average of what was trained, frozen.</summary>
    public static BaseModel Load(Workshop shop)
    {
        var model = new BaseModel();
        TrainingRun.LoadResult(shop.StateFile(Name), model);
        return model;
    }

    private static void Train(Workshop shop, Part part, BaseModel model, Lesson lesson, ForwardProcess process)
    {
        Parameters.SetTrainable(model, true);
        using var average = new BaseModel();
        using var training = new TrainingRun(shop.StateFile(part.Name), model, average, part.Plan with { Steps = shop.Steps ?? part.Plan.Steps }, shop.Log);
        training.Run((step, half) => Loss(model, lesson, process, part, (TrainingRun.Parts * step) + half, half));
    }

    private static Tensor Loss(BaseModel model, Lesson lesson, ForwardProcess process, Part part, int draw, int half)
    {
        Random random = StepRandom.Numbers(part.Stream, draw);
        NoiseSchedule schedule = process.Schedule;
        long[] rows = new long[HalfBatch];
        long[] times = new long[HalfBatch];
        long[] subjects = new long[part.MeanSamples];
        string[] captions = new string[HalfBatch];
        float[] weights = new float[HalfBatch];
        for (int i = 0; i < HalfBatch; i++)
        {
            rows[i] = random.Next(lesson.Videos.Length);
            Subject subject = lesson.Videos[rows[i]].Subject;
            bool told = random.NextDouble() >= EmptyShare;
            captions[i] = told ? Captions.Of(subject, random.Next(Captions.Templates.Count)) : "";
            if (i < part.MeanSamples)
            {
                times[i] = schedule.Length - 1;
                subjects[i] = told ? IndexOf(subject) : Subjects;
                weights[i] = (float)(part.PredictsVelocity ? part.MeanWeight : part.MeanWeight / schedule.AlphasCumprod[^1]);
            }
            else
            {
                // Each sample of the whole batch has its own slice of the schedule.
                int slice = ((i - part.MeanSamples) * TrainingRun.Parts) + half;
                int slices = (HalfBatch - part.MeanSamples) * TrainingRun.Parts;
                times[i] = (long)((slice + random.NextDouble()) / slices * schedule.Length);
                weights[i] = (float)part.Weight(schedule.AlphasCumprod[(int)times[i]]);
            }
        }

        using Generator generator = StepRandom.Tensors(part.Stream, draw);
        Tensor videos = lesson.Latents.index_select(0, tensor(rows));
        Tensor noise = randn(videos.shape, generator: generator);
        Tensor noisy = process.AddNoise(videos, noise, times);
        if (part.MeanSamples > 0)
        {
            // Sampling begins with noise that holds no video. There E[x_0 | text] is the mean video of the prompt: the lesson of single videos without their
            // variance, in which the way a figure moves is lost for thousands of steps.
            long others = HalfBatch - part.MeanSamples;
            videos = cat([lesson.Means.index_select(0, tensor(subjects)), videos.narrow(0, part.MeanSamples, others)]);
            noisy = cat([noise.narrow(0, 0, part.MeanSamples), noisy.narrow(0, part.MeanSamples, others)]);
        }

        Tensor target = Target(videos, noisy, [.. times.Select(time => schedule.AlphasCumprod[(int)time])], part.PredictsVelocity);
        Tensor predicted = model.Forward(noisy, tensor(times), WordsStage.Vocabulary.Encode(captions));
        Tensor error = predicted - target;
        Tensor loss = (error.square().mean([1, 2, 3, 4]) * tensor(weights)).mean();
        return part.OrderWeight == 0 ? loss
            : loss + (part.OrderWeight / HalfBatch * error.narrow(0, 0, part.MeanSamples).diff(1, 2).square().mean([1, 2, 3, 4]).sum());
    }

    /// <summary>
    /// What the network should say of noisy = sqrt(abar) video + sqrt(1 - abar) noise: the noise, or v = sqrt(abar) noise - sqrt(1 - abar) video.
    /// </summary>
    private static Tensor Target(Tensor videos, Tensor noisy, double[] abar, bool velocity)
    {
        Tensor Of(Func<double, double> factor) => tensor(abar.Select(a => (float)factor(a)).ToArray()).view(-1, 1, 1, 1, 1);
        Tensor noise = (noisy - (Of(Math.Sqrt) * videos)) / Of(a => Math.Sqrt(1 - a));
        return velocity ? (Of(Math.Sqrt) * noise) - (Of(a => Math.Sqrt(1 - a)) * videos) : noise;
    }

    private static int Subjects => Attributes.Colors.Count * Attributes.Shapes.Count * Attributes.Motions.Count * Attributes.Backgrounds.Count;

    /// <summary>Mean latents of the videos of each subject, about 21 videos each, and last of all videos: [576 + 1, 4, T, h, w].</summary>
    private static Tensor MeansBySubject(Tensor latents, ShapesVideo[] videos)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor index = tensor([.. videos.Select(video => (long)IndexOf(video.Subject))]);
        Tensor sums = zeros([Subjects, .. latents.shape.Skip(1)]).index_add_(0, index, latents, 1);
        Tensor counts = zeros(Subjects).index_add_(0, index, ones(videos.Length), 1).clamp(min: 1);
        return cat([sums / counts.view(-1, 1, 1, 1, 1), latents.mean([0], keepdim: true)]).MoveToOuterDisposeScope();
    }

    private static int IndexOf(Subject subject) =>
        (((((subject.Color * Attributes.Shapes.Count) + (int)subject.Shape) * Attributes.Motions.Count) + (int)subject.Motion) * Attributes.Backgrounds.Count)
            + subject.Background;

    private static TrainingPlan Plan(int steps, int warmUp, double averageKeep) =>
        new() { Steps = steps, PeakRate = 1.5e-3, WarmUp = warmUp, WeightDecay = 1e-2, AverageKeep = averageKeep };

    /// <summary>What is learned from: latents [N, 4, T, h, w], their means by subject, the videos behind them.</summary>
    private sealed record Lesson(Tensor Latents, Tensor Means, ShapesVideo[] Videos);

    /// <param name="Name">Of the state file.</param>
    /// <param name="Stream">Of the random numbers.</param>
    /// <param name="Plan">Optimizer and length.</param>
    private sealed record Part(string Name, int Stream, TrainingPlan Plan)
    {
        /// <summary>Whether the network predicts v on the schedule that ends in pure noise, or the noise on the plain one.</summary>
        public bool PredictsVelocity { get; init; }

        /// <summary>Of the mean square error of what is predicted, by abar of the sample's timestep.</summary>
        public Func<double, double> Weight { get; init; } = static _ => 1;

        /// <summary>How many of a half batch are pure noise with the mean video of their prompt for answer.</summary>
        public int MeanSamples { get; init; }

        /// <summary>What an error of the mean video counts beside one of a video.</summary>
        public double MeanWeight { get; init; } = 1;

        /// <summary>
        /// What the mean video's error from frame to frame counts besides. The best answer stays the mean video, but which way it moves, a small part of it,
        /// weighs more: the network has no frame numbers, and finds the order of frames from the clip's ends alone.
        /// </summary>
        public double OrderWeight { get; init; }
    }
}
