using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the denoiser and its text encoder on dull films: mean square error of v at timesteps spread evenly over each batch, captions in one of four
/// sentences, one in ten replaced by the empty prompt for guidance. Eight parts: on plain latents; on whitened ones, where the figure counts five times as much
/// as the backdrop once the noise lets it be seen; with the text encoder that CLIP learned and half of the samples in the noisiest fifth, where alone the
/// prompt decides (eight frames show a colour through any lesser noise); with mean films in pure noise (four parts, one of them with
/// nothing else); and last with most samples in the middle, where outlines are decided.
/// </summary>
internal static class UNetStage
{
    public const string Name = "unet";

    private const int HalfBatch = 8;
    private const double EmptyShare = 0.1;

    private const float FigureWeight = 4;

    /// <summary>Each part goes on from the result of the one before.</summary>
    private static readonly Part[] s_parts =
    [
        new("unet-plain", Stream: 3) { Plan = Plan(2500, warmUp: 100, averageKeep: 0.998) },
        new("unet-white", Stream: 6) { Plan = Plan(1000), Whitened = true },
        new("unet-loud", Stream: 7) { Plan = Plan(1250), Whitened = true, TakesText = true, LoudSamples = 3 },
        new("unet-means", Stream: 8) { Plan = Plan(750), Whitened = true, MeanSamples = 3 },
        new("unet-figure", Stream: 9) { Plan = Plan(500), Whitened = true, LoudSamples = 3, MeanSamples = 3, FigureSignal = 0.02 },
        new("unet-order", Stream: 10) { Plan = Plan(300) with { PeakRate = 2e-3, LogEvery = 25, SaveEvery = 50 }, Whitened = true, MeanSamples = HalfBatch },
        new("unet-again", Stream: 11) { Plan = Plan(500), Whitened = true, LoudSamples = 3, MeanSamples = 2, FigureSignal = 0.02 },
        new(Name, Stream: 12) { Plan = Plan(500) with { LogEvery = 25, SaveEvery = 100 }, Whitened = true, LoudSamples = 1, MiddleSamples = 5, MeanSamples = 1, FigureSignal = 0.02 },
    ];

    /// <summary>State names of the parts, in order.</summary>
    public static IEnumerable<string> PartNames => s_parts.Select(part => part.Name);

    public static void Run(Workshop shop)
    {
        using Tensor plain = LatentStage.Load(shop);
        Film[] films = LatentStage.DrawFilms();
        var whitening = new Whitening(plain);
        using Tensor white = whitening.Apply(plain);
        using Tensor masks = FigureMasks(films);
        using Tensor means = MeansBySubject(white, films);
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
                model.Initialise(generator);
            }
            else
            {
                TrainingRun.LoadResult(shop.StateFile(s_parts[i - 1].Name), model);
                if (part.Whitened && !s_parts[i - 1].Whitened)
                {
                    whitening.Turn(model);
                }
            }

            if (part.TakesText)
            {
                using ClipModel clip = ClipStage.Load(shop);
                model.TakeText(clip);
            }

            Train(shop, part, model, part.Whitened ? new Lesson(white, masks, means, films) : new Lesson(plain, null, means, films));
        }
    }

    /// <summary>The moving average of what was trained, frozen.</summary>
    public static BaseModel Load(Workshop shop)
    {
        var model = new BaseModel();
        TrainingRun.LoadResult(shop.StateFile(Name), model);
        return model;
    }

    private static void Train(Workshop shop, Part part, BaseModel model, Lesson lesson)
    {
        Parameters.SetTrainable(model, true);
        using var average = new BaseModel();
        using var training = new TrainingRun(shop.StateFile(part.Name), model, average, part.Plan with { Steps = shop.Steps ?? part.Plan.Steps }, shop.Log);
        ForwardProcess process = ForwardProcess.FromConfig(BaseModel.SchedulerConfig);
        training.Run((step, half) => Loss(model, process, lesson, part, (TrainingRun.Parts * step) + half, half));
    }

    private static Tensor Loss(BaseModel model, ForwardProcess process, Lesson lesson, Part part, int draw, int half)
    {
        Random random = StepRandom.Numbers(part.Stream, draw);
        long[] rows = new long[HalfBatch];
        long[] times = new long[HalfBatch];
        string[] captions = new string[HalfBatch];
        for (int i = 0; i < HalfBatch; i++)
        {
            rows[i] = random.Next(lesson.Films.Length);
            times[i] = i < part.MeanSamples ? process.Schedule.Length - 1 : (long)(part.Time(i, half, HalfBatch, random) * process.Schedule.Length);
            captions[i] = i >= part.MeanSamples && random.NextDouble() < EmptyShare ? "" : Captions.Of(lesson.Films[rows[i]].Subject, random.Next(Captions.Templates.Count));
        }

        using Generator generator = StepRandom.Tensors(part.Stream, draw);
        Tensor chosen = tensor(rows);
        Tensor clean = lesson.Latents.index_select(0, chosen);
        Tensor noise = randn(clean.shape, generator: generator);
        if (part.MeanSamples > 0)
        {
            Tensor subjects = tensor([.. rows.Take(part.MeanSamples).Select(row => (long)IndexOf(lesson.Films[row].Subject))]);
            clean = cat([lesson.Means.index_select(0, subjects), clean.narrow(0, part.MeanSamples, HalfBatch - part.MeanSamples)]);
        }

        Tensor predicted = model.Forward(process.AddNoise(clean, noise, times), tensor(times), WordsStage.Vocabulary.Encode(captions));
        Tensor error = (predicted - process.Velocity(clean, noise, times)).square();
        if (lesson.Masks is not null)
        {
            float[] weights = [.. times.Select(time => process.Schedule.AlphasCumprod[(int)time] > part.FigureSignal ? FigureWeight : 0)];
            error *= 1 + (tensor(weights).view(-1, 1, 1, 1, 1) * lesson.Masks.index_select(0, chosen));
        }

        return error.mean();
    }

    /// <summary>Where the figure is, at the latents' resolution: the largest coverage within each latent's pixels, [N, 1, T, 8, 8].</summary>
    private static Tensor FigureMasks(Film[] films)
    {
        using DisposeScope scope = NewDisposeScope();
        const int Side = 8;
        var backdrop = new Backdrop(0, 0, new float[9]);
        float[] masks = new float[films.Length * Film.Frames * Side * Side];
        Parallel.For(0, films.Length * Film.Frames, i =>
        {
            Span<float> pixels = stackalloc float[Film.FrameLength];
            Painter.Paint(backdrop, pixels);
            Painter.Paint(films[i / Film.Frames].Figure with { Saturation = 0, Value = 1 }, i % Film.Frames, pixels);
            for (int at = 0; at < Film.Size * Film.Size; at++)
            {
                int cell = (i * Side * Side) + (at / Film.Size / 4 * Side) + (at % Film.Size / 4);
                masks[cell] = Math.Max(masks[cell], pixels[at]);
            }
        });
        return tensor(masks, [films.Length, 1, Film.Frames, Side, Side]).MoveToOuterDisposeScope();
    }

    /// <summary>Mean latents of the films of each subject: [576, 4, T, h, w]; about 21 films each.</summary>
    private static Tensor MeansBySubject(Tensor latents, Film[] films)
    {
        using DisposeScope scope = NewDisposeScope();
        int subjects = Attributes.Colours.Count * Attributes.Shapes.Count * Attributes.Motions.Count * Attributes.Backgrounds.Count;
        Tensor index = tensor([.. films.Select(film => (long)IndexOf(film.Subject))]);
        Tensor sums = zeros([subjects, .. latents.shape.Skip(1)]).index_add_(0, index, latents, 1);
        Tensor counts = zeros(subjects).index_add_(0, index, ones(films.Length), 1).clamp(min: 1);
        return (sums / counts.view(-1, 1, 1, 1, 1)).MoveToOuterDisposeScope();
    }

    private static int IndexOf(Subject subject) =>
        (((((subject.Colour * Attributes.Shapes.Count) + (int)subject.Shape) * Attributes.Motions.Count) + (int)subject.Motion) * Attributes.Backgrounds.Count) + subject.Background;

    private static TrainingPlan Plan(int steps, int warmUp = 50, double averageKeep = 0.995) =>
        new() { Steps = steps, PeakRate = 1.5e-3, WarmUp = warmUp, WeightDecay = 1e-2, AverageKeep = averageKeep };

    /// <summary>What is learned from: latents [N, 4, T, h, w], figure masks [N, 1, T, h, w] where they weigh, means by subject, the films behind them.</summary>
    private sealed record Lesson(Tensor Latents, Tensor? Masks, Tensor Means, Film[] Films);

    private sealed record Part(string Name, int Stream)
    {
        public required TrainingPlan Plan { get; init; }

        public bool Whitened { get; init; }

        /// <summary>Whether the text encoder is replaced by CLIP's first.</summary>
        public bool TakesText { get; init; }

        /// <summary>How many of a half batch come from the noisiest fifth of the schedule alone.</summary>
        public int LoudSamples { get; init; }

        /// <summary>
        /// abar from which the figure has its weight. In more noise nobody knows where it is, and a weight that follows it would teach figures everywhere.
        /// </summary>
        public double FigureSignal { get; init; } = 0.25;

        /// <summary>
        /// How many of a half batch are pure noise with the mean film of their subject for answer. There E[v | x_t, text] is -E[x_0 | text] exactly, so this
        /// is the same lesson without the variance of single films, in which what the prompt says is lost for thousands of steps.
        /// </summary>
        public int MeanSamples { get; init; }

        /// <summary>How many of a half batch come from the middle of the schedule alone, where outlines are decided.</summary>
        public int MiddleSamples { get; init; }

        /// <summary>Time of sample i in [0, 1), spread evenly: each sample of the whole batch has its own slice of the schedule.</summary>
        public double Time(int i, int half, int halfBatch, Random random)
        {
            int index = i - MeanSamples;
            (int Count, double From, double To)[] ranges = [(LoudSamples, 0.8, 1), (MiddleSamples, 0.25, 0.85), (halfBatch - MeanSamples - LoudSamples - MiddleSamples, 0, 1)];
            foreach ((int count, double from, double to) in ranges)
            {
                if (index < count)
                {
                    return from + ((to - from) * ((index * TrainingRun.Parts) + half + random.NextDouble()) / (TrainingRun.Parts * count));
                }

                index -= count;
            }

            throw new ArgumentOutOfRangeException(nameof(i));
        }
    }
}
