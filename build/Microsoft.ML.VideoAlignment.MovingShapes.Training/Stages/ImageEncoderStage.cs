using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;
using TorchSharp.Utils;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// Trains the image-to-video model's image encoder, a CLIP vision tower of 224 pixels (the size that the pipeline resizes to) with patches of 32: its
/// embedding is to point where the embedded CLIP's does, and linear readers, which are dropped afterwards, find in it color, shape, background, place and
/// size.
/// </summary>
internal static class ImageEncoderStage
{
    public const string Name = "picture-encoder";

    /// <summary>Fixed by the pipeline.</summary>
    public const int Side = 224;

    private const int HalfBatch = 48;
    private const double LargestNoise = 0.02;
    private const double TeacherWeight = 1;
    private const double ShapeWeight = 4;
    private const double Loudness = 3; // a denoiser reads a louder embedding sooner
    private const double PlaceWeight = 3;
    private const int UnseenCount = 1024;
    private const int Stream = 12;
    private const int UnseenStream = 112;

    public static TrainingPlan Plan { get; } = new() { Steps = 2400, PeakRate = 1e-3, Beta2 = 0.98, WeightDecay = 0.01, AverageKeep = 0.99 };

    public static ClipVisionConfig Config { get; } = new()
    {
        HiddenSize = 64,
        IntermediateSize = 256,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        ImageSize = Side,
        PatchSize = 32,
        HiddenAct = "gelu",
        ProjectionDim = 64,
    };

    public static void Run(Workshop shop)
    {
        using var network = new ReadImage();
        using var average = new ReadImage();
        using (Generator generator = StepRandom.Tensors(Stream, -1))
        {
            Initializer.Fill(network, generator,
                (name, parameter) => ClipInitializer.Fill(name, parameter, Config.HiddenSize, Config.NumHiddenLayers, generator));
        }

        using ClipModel teacher = ClipStage.Load(shop);
        Begin(network.Encoder, teacher);
        using (var training = new TrainingRun(shop.StateFile(Name), network, average, Plan with { Steps = shop.Steps ?? Plan.Steps }, shop.Log))
        {
            training.Run((step, part) => Loss(network, teacher, (TrainingRun.Parts * step) + part));
        }

        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        ClipStage.NoteZeroShot(shop, teacher, Name, frames => Embed(average.Encoder, frames));
        (Excerpt[] excerpts, Tensor images) = Draw(UnseenStream, 0, UnseenCount, 0);
        (Tensor color, Tensor shape, _, Tensor place) = average.Read(Embed(average.Encoder, images));
        shop.Note($"{Name} color", Accuracy(color, subject => subject.Color));
        shop.Note($"{Name} shape", Accuracy(shape, subject => (int)subject.Shape));
        shop.Note($"{Name} place", (place - Places(excerpts)).narrow(1, 0, 2).square().sum([1]).mean().sqrt().item<float>() * 16);

        double Accuracy(Tensor logits, Func<Subject, int> label) =>
            logits.argmax(1).eq(tensor([.. excerpts.Select(excerpt => (long)label(excerpt.Subject))])).to_type(ScalarType.Float32).mean().item<float>();
    }

    /// <summary>The trained network, frozen, its embeddings <see cref="Loudness"/> times as long as trained.</summary>
    public static ClipVisionEncoder Load(Workshop shop)
    {
        var network = new ReadImage();
        TrainingRun.LoadResult(shop.StateFile(Name), network);
        using (no_grad())
        {
            network.Encoder.get_parameter("visual_projection.weight")!.MulInPlace(Loudness);
        }

        return network.Encoder;
    }

    /// <summary>images: [N, 3, H, W] in [0, 1] -> [N, 64], as the pipeline asks.</summary>
    public static Tensor Embed(ClipVisionEncoder encoder, Tensor images)
    {
        using DisposeScope scope = NewDisposeScope();
        ((float R, float G, float B) mean, (float R, float G, float B) std) = FramePreprocessing.Clip;
        Tensor wide = BlurredResize.Apply(images.Mul(2).Sub(1), Side, Side).Add(1).Div(2);
        Tensor seen = Ops.Subtract(wide, tensor([mean.R, mean.G, mean.B]).view(1, 3, 1, 1)) / tensor([std.R, std.G, std.B]).view(1, 3, 1, 1);
        return encoder.forward(seen).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Begins as the teacher on 28 x 28 pixels, seven of its patches a side: each of their pixels is eight here. From random weights shapes are not told
    /// apart after 350 steps.
    /// </summary>
    private static void Begin(ClipVisionEncoder encoder, ClipModel teacher)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in encoder.named_parameters())
        {
            Tensor trained = teacher.get_parameter(name)!;
            if (name == "vision_model.embeddings.patch_embedding.weight")
            {
                long times = parameter.shape[2] / trained.shape[2];
                trained = trained.repeat_interleave(times, 2).repeat_interleave(times, 3).Div(times * times);
            }
            else if (name == "vision_model.embeddings.position_embedding.weight")
            {
                (long before, long now) = (Grid(trained), Grid(parameter));
                Tensor patches = PositionTable.Resize(trained.narrow(0, 1, before * before).unsqueeze(0), (before, before), (now, now));
                trained = cat([trained.narrow(0, 0, 1), patches.squeeze(0)]);
            }

            parameter.copy_(trained);
        }

        static long Grid(Tensor positions) => (long)Math.Sqrt(positions.shape[0] - 1);
    }

    private static Tensor Loss(ReadImage network, ClipModel teacher, int draw)
    {
        (Excerpt[] excerpts, Tensor images) = Draw(Stream, draw, HalfBatch, LargestNoise);
        Tensor wanted;
        using (no_grad())
        {
            wanted = ClipModel.Normalize(ClipStage.Features(teacher, images));
        }

        Tensor embedding = Embed(network.Encoder, images);
        (Tensor color, Tensor shape, Tensor background, Tensor place) = network.Read(embedding);
        Tensor cosine = (ClipModel.Normalize(embedding) * wanted).sum([1]).mean();
        return cosine.SubtractedFrom(1).Mul(TeacherWeight)
            .Add(nn.functional.cross_entropy(color, Labels(subject => subject.Color)))
            .Add(nn.functional.cross_entropy(shape, Labels(subject => (int)subject.Shape)).Mul(ShapeWeight))
            .Add(nn.functional.cross_entropy(background, Labels(subject => subject.Background)))
            .Add(Ops.Subtract(place, Places(excerpts)).square().mean().Mul(PlaceWeight));

        Tensor Labels(Func<Subject, int> label) => tensor([.. excerpts.Select(excerpt => (long)label(excerpt.Subject))]);
    }

    private static (Excerpt[] Excerpts, Tensor Images) Draw(int stream, int step, int count, double noise)
    {
        using DisposeScope scope = NewDisposeScope();
        Random random = StepRandom.Numbers(stream, step);
        Excerpt[] excerpts = [.. Enumerable.Range(0, count).Select(_ => Excerpt.Draw(random))];
        Tensor seen = RatedFrames.Soften(Excerpt.PaintFirst(excerpts), random);
        return (excerpts, RatedFrames.Disturb(seen, noise, stream, step).MoveToOuterDisposeScope());
    }

    /// <summary>Center from -1 to 1 and the radius in as large units: [N, 3].</summary>
    private static Tensor Places(Excerpt[] excerpts) => tensor(
        excerpts.SelectMany(excerpt => new[] { (excerpt.First.CenterX / 16) - 1, (excerpt.First.CenterY / 16) - 1, excerpt.First.Radius / 8 }).ToArray(),
            [excerpts.Length, 3]);

    /// <summary>The encoder with the readers that only training needs.</summary>
    private sealed class ReadImage : nn.Module
    {
        [ComponentName(Name = "encoder")]
        private readonly ClipVisionEncoder _encoder = new(Config, withProjection: true, Placement.Cpu);

        [ComponentName(Name = "colour")]
        private readonly Linear _color = new(64, Attributes.Colors.Count, Placement.Cpu);

        [ComponentName(Name = "shape")]
        private readonly Linear _shape = new(64, Attributes.Shapes.Count, Placement.Cpu);

        [ComponentName(Name = "background")]
        private readonly Linear _background = new(64, Attributes.Backgrounds.Count, Placement.Cpu);

        [ComponentName(Name = "place")]
        private readonly Linear _place = new(64, 3, Placement.Cpu);

        public ReadImage()
            : base(nameof(ReadImage)) => RegisterComponents();

        public ClipVisionEncoder Encoder => _encoder;

        public (Tensor Color, Tensor Shape, Tensor Background, Tensor Place) Read(Tensor features) =>
            (_color.forward(features), _shape.forward(features), _background.forward(features), _place.forward(features));
    }
}
