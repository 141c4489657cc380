using Microsoft.ML.VideoAlignment;
using static TorchSharp.torch;

namespace TeachAnAction;

/// <summary>Whether the classifier's first choice is the wanted motion, 1 or 0, whose mean is an accuracy; it is only measured and has no gradient.</summary>
internal sealed class Recognized : IDisposable
{
    public static readonly IReadOnlyList<string> Motions = ["moving left", "moving right", "moving up", "moving down", "growing", "staying still"];

    // The same classifier once for each of its labels, whatever the prompt.
    private readonly VideoReward[] _labels = [.. Motions.Select(motion => MovingShapesRewards.Action(new ActionClassificationOptions { Label = motion }))];

    private readonly string? _wanted;

    /// <summary>Opens the classifiers.</summary>
    /// <param name="wanted">The motion; null: the one that the prompt asks for.</param>
    public Recognized(string? wanted)
    {
        _wanted = wanted;
        Reward = VideoRewards.Custom("recognized", Score, new RewardContract
        {
            IsDifferentiable = false,
            ReadsPrompt = true,
            MinimumFrames = _labels[0].Contract.MinimumFrames,
            FrameMultiple = _labels[0].Contract.FrameMultiple,
            ScoresFramesSeparately = false,
            ScoreRange = (0, 1),
        });
    }

    /// <summary>The reward.</summary>
    public VideoReward Reward { get; }

    public void Dispose()
    {
        Reward.Dispose();
        Array.ForEach(_labels, label => label.Dispose());
    }

    private Tensor Score(Tensor frames, IReadOnlyList<string> prompts)
    {
        Tensor video = frames.cpu(); // where these classifiers are
        Tensor first = stack([.. _labels.Select(label => label.Score(video, []))], 1).argmax(1);
        Tensor asked = tensor([.. prompts.Select(prompt => (long)MotionOf(_wanted ?? prompt))]);
        return first.eq(asked).to_type(ScalarType.Float32);
    }

    private static int MotionOf(string text) => Motions.ToList().FindIndex(motion => text.Contains(motion, StringComparison.Ordinal));
}
