using Microsoft.ML.VideoAlignment.Tensors;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// Something that keeps motion beside V-JEPA, which prefers videos that stand still: nothing is lost down to about the motion of the base model's videos, and
/// below it the share that is missing.
/// </summary>
internal static class MotionKeeper
{
    /// <summary>Beside V-JEPA's loss of about .25, of which a still video saves about half.</summary>
    public const float Weight = 0.1f;

    /// <summary>
    /// Mean absolute difference of consecutive frames, pixels in [0, 1]: painted videos have .020 and the base model's .018. At .020 aligned videos move a
    /// tenth more than the base model's.
    /// </summary>
    private const double Usual = 0.017;

    /// <summary>Makes the reward: 0 from the usual motion on, -1 for a video that stands still.</summary>
    public static VideoReward Create() => VideoRewards.Custom(
        "motion",
        static (frames, _) =>
        {
            long steps = frames.shape[2] - 1;
            Tensor change = Ops.Subtract(frames.narrow(2, 1, steps), frames.narrow(2, 0, steps)).abs().mean([1, 2, 3, 4]);
            return change.Div(Usual).Clamp(most: 1).Sub(1);
        },
        new RewardContract { MinimumFrames = 2, ScoresFramesSeparately = false, ReadsPrompt = false });
}
