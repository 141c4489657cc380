using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>
/// The target encoder with linear heads on the mean of a frame's tokens, which tell its shape, color, background and place. The heads are left behind.
/// </summary>
internal sealed class ConsistencyTeacher : nn.Module
{
    private const double ShapeWeight = 4, ColorWeight = 0.5, BackgroundWeight = 0.3;

    private static readonly long[] s_answers = [Attributes.Shapes.Count, Attributes.Colors.Count, Attributes.Backgrounds.Count, 3];

    [ComponentName(Name = "encoder")]
    private readonly VJepaEncoder _encoder;

    [ComponentName(Name = "heads")]
    private readonly Linear _heads;

    public ConsistencyTeacher(VJepaConfig config)
        : base(nameof(ConsistencyTeacher))
    {
        _encoder = new VJepaEncoder(config, Placement.Cpu);
        _heads = new Linear(config.Width, s_answers.Sum(), Placement.Cpu);
        RegisterComponents();
    }

    public VJepaEncoder Encoder => _encoder;

    /// <summary>The loss of a lesson.</summary>
    /// <param name="pixels">The lesson's videos, [N, 3, T, S, S], normalized.</param>
    /// <param name="lesson">What their frames show.</param>
    /// <returns>A scalar.</returns>
    public Tensor Loss(Tensor pixels, ConsistencyLesson lesson)
    {
        Tensor[] answers = Answer(pixels);
        return nn.functional.cross_entropy(answers[0], lesson.Shapes).Mul(ShapeWeight)
            .Add(nn.functional.cross_entropy(answers[1], lesson.Colors).Mul(ColorWeight))
            .Add(nn.functional.cross_entropy(answers[2], lesson.Backgrounds).Mul(BackgroundWeight))
            .Add(nn.functional.mse_loss(answers[3], lesson.Places));
    }

    /// <summary>The share of frames whose shape and whose color are told.</summary>
    /// <param name="pixels">The lesson's videos, [N, 3, T, S, S], normalized.</param>
    /// <param name="lesson">What their frames show.</param>
    public (double Shape, double Color) Measure(Tensor pixels, ConsistencyLesson lesson)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor[] answers = Answer(pixels);
        double Right(Tensor answer, Tensor label) => answer.argmax(1).eq(label).to_type(ScalarType.Float32).mean().item<float>();
        return (Right(answers[0], lesson.Shapes), Right(answers[1], lesson.Colors));
    }

    // For each question [N * T, answers].
    private Tensor[] Answer(Tensor pixels)
    {
        Tensor tokens = _encoder.Forward(pixels); // [N, T * rows * columns, D]
        Tensor frames = tokens.view(tokens.shape[0], ShapesVideo.Frames, -1, tokens.shape[2]).mean([2]).flatten(0, 1);
        return _heads.call(frames).split(s_answers, 1);
    }
}
