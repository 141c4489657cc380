using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the reward's CLIP on frames and captions with style words: its contrastive loss, and linear readers of the image features for color, shape,
/// background and the three qualities, which are dropped afterwards. Without them shapes are told apart only after many times as many steps.
/// </summary>
internal static class ClipStage
{
    public const string Name = "clip";

    private const int HalfBatch = 64;
    private const double LargestNoise = 0.02;
    private const double ShapeWeight = 2;
    private const double QualityWeight = 3;
    private const int Stream = 4;
    private const int UnseenStream = 104;

    public static TrainingPlan Plan { get; } = new() { Steps = 1000, PeakRate = 1e-3, Beta2 = 0.98, WeightDecay = 0.01, AverageKeep = 0.99 };

    public static ClipConfig Config { get; } = new(
        BaseModel.TextConfig,
        new ClipVisionConfig
        {
            HiddenSize = 64,
            IntermediateSize = 256,
            NumHiddenLayers = 2,
            NumAttentionHeads = 4,
            ImageSize = ShapesVideo.Size,
            PatchSize = 4,
            HiddenAct = "gelu",
            ProjectionDim = 64,
        });

    public static void Run(Workshop shop)
    {
        using var network = new ReadClip();
        using var average = new ReadClip();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator, (name, parameter) => ClipInitializer.Fill(name, parameter, 64, 2, generator));
        }

        using (var training = new TrainingRun(shop.StateFile(Name), network, average, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) => Loss(network, (TrainingRun.Parts * step) + part));
        }

        NoteZeroShot(shop, average.Clip, Name);
    }

    /// <summary>The trained model, frozen.</summary>
    public static ClipModel Load(Workshop shop)
    {
        var network = new ReadClip();
        if (File.Exists(shop.StateFile(Name)))
        {
            TrainingRun.LoadResult(shop.StateFile(Name), network);
        }
        else
        {
            using IWeightSource shipped = WeightFile.Open(Path.Combine(shop.Ship, "clip", "model.safetensors"));
            WeightLoader.Load(network.Clip, shipped);
            Parameters.SetTrainable(network, false);
        }

        return network.Clip;
    }

    /// <summary>frames: [N, 3, 32, 32] in [0, 1] -> [N, 64], not l2-normalized.</summary>
    public static Tensor Features(ClipModel clip, Tensor frames)
    {
        using Tensor images = FramePreprocessing.ForClip(ShapesVideo.Size).Apply(frames);
        return clip.GetImageFeatures(images);
    }

    private static Tensor Loss(ReadClip network, int draw)
    {
        (ShapesVideo[] videos, Tensor frames) = RatedFrames.Draw(Stream, draw, HalfBatch, LargestNoise);
        Random random = StepRandom.Numbers(Stream + 50, draw);
        string[] captions = [.. videos.Select(video => Captions.WithStyle(video.Subject, video.Quality, random))];
        Tensor images = Features(network.Clip, frames);
        Tensor texts = network.Clip.GetTextFeatures(WordsStage.Vocabulary.Encode(captions));
        Tensor logits = ClipModel.Normalize(images).matmul(ClipModel.Normalize(texts).t()) * network.Clip.LogitScale.exp();
        Tensor diagonal = arange(HalfBatch, dtype: ScalarType.Int64);
        Tensor contrast = (nn.functional.cross_entropy(logits, diagonal) + nn.functional.cross_entropy(logits.t(), diagonal)) / 2;
        (Tensor color, Tensor shape, Tensor background, Tensor quality) = network.Read(images);
        Tensor truth = tensor([.. videos.SelectMany(video => new[] { video.Quality.Vividness, video.Quality.Cleanness, video.Quality.Size })], [HalfBatch, 3]);
        return contrast
            + nn.functional.cross_entropy(color, Labels(videos, video => video.Subject.Color))
            + (ShapeWeight * nn.functional.cross_entropy(shape, Labels(videos, video => (int)video.Subject.Shape)))
            + nn.functional.cross_entropy(background, Labels(videos, video => video.Subject.Background))
            + (QualityWeight * (quality - truth).square().mean());
    }

    /// <summary>
    /// Notes how often, of captions that differ in one attribute, the one nearest to an unseen frame is its own; features: of frames, when not this CLIP's.
    /// </summary>
    public static void NoteZeroShot(Workshop shop, ClipModel clip, string name, Func<Tensor, Tensor>? features = null)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (ShapesVideo[] videos, Tensor frames) = RatedFrames.Draw(UnseenStream, 0, 1024, 0);
        Tensor images = ClipModel.Normalize(features is null ? Features(clip, frames) : features(frames));
        shop.Note($"{name} zero-shot colour", Accuracy(Attributes.Colors.Count, subject => subject.Color, (subject, i) => subject with { Color = i }));
        shop.Note($"{name} zero-shot shape",
            Accuracy(Attributes.Shapes.Count, subject => (int)subject.Shape, (subject, i) => subject with { Shape = (Shape)i }));
        shop.Note($"{name} zero-shot background",
            Accuracy(Attributes.Backgrounds.Count, subject => subject.Background, (subject, i) => subject with { Background = i }));

        double Accuracy(int choices, Func<Subject, int> truth, Func<Subject, int, Subject> with)
        {
            Tensor cosines = stack([.. Enumerable.Range(0, choices).Select(i =>
            {
                string[] captions = [.. videos.Select(video => Captions.Of(with(video.Subject, i), 0))];
                return (images * ClipModel.Normalize(clip.GetTextFeatures(WordsStage.Vocabulary.Encode(captions)))).sum([1]);
            })], 1);
            return cosines.argmax(1).eq(Labels(videos, video => truth(video.Subject))).to_type(ScalarType.Float32).mean().item<float>();
        }
    }

    private static Tensor Labels(ShapesVideo[] videos, Func<ShapesVideo, int> label) => tensor([.. videos.Select(video => (long)label(video))]);

    /// <summary>CLIP with the readers that only training needs.</summary>
    private sealed class ReadClip : nn.Module
    {
        [ComponentName(Name = "clip")]
        private readonly ClipModel _clip = new(Config, Placement.Cpu);

        [ComponentName(Name = "colour")]
        private readonly Linear _color = new(64, Attributes.Colors.Count, Placement.Cpu);

        [ComponentName(Name = "shape")]
        private readonly Linear _shape = new(64, Attributes.Shapes.Count, Placement.Cpu);

        [ComponentName(Name = "background")]
        private readonly Linear _background = new(64, Attributes.Backgrounds.Count, Placement.Cpu);

        [ComponentName(Name = "quality")]
        private readonly Linear _quality = new(64, 3, Placement.Cpu);

        public ReadClip()
            : base(nameof(ReadClip)) => RegisterComponents();

        public ClipModel Clip => _clip;

        public (Tensor Color, Tensor Shape, Tensor Background, Tensor Quality) Read(Tensor features) =>
            (_color.forward(features), _shape.forward(features), _background.forward(features), _quality.forward(features));
    }
}
