using Microsoft.ML.VideoAlignment.Rewards.Custom;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// What stands for a reward where a run is walked on shapes: its own networks without numbers, and where it has none that are known the frames' mean, which holds
/// next to nothing.
/// </summary>
internal sealed class RewardShapes : IDisposable
{
    private RewardShapes(VideoReward stand, IReadOnlyList<string> weightsAlone, IReadOnlyList<string> unknown) => (Stand, WeightsAlone, Unknown) = (stand, weightsAlone, unknown);

    /// <summary>Scores shapes, whatever the prompt.</summary>
    public VideoReward Stand { get; }

    /// <summary>Names of the parts of which only the weights are known.</summary>
    public IReadOnlyList<string> WeightsAlone { get; }

    /// <summary>Names of the parts of which nothing is known, code of the caller's.</summary>
    public IReadOnlyList<string> Unknown { get; }

    /// <summary>Null stands for a reward that is not known yet.</summary>
    public static RewardShapes Create(VideoReward? reward)
    {
        VideoReward[] parts = reward is RewardMix mix ? [.. mix.Parts.Select(part => part.Reward)] : reward is null ? [] : [reward];
        (VideoReward Part, VideoReward? Shapes)[] walked = [.. parts.Select(part => (part, part.OnMeta()))];
        VideoReward[] stands = [.. walked.Select(pair => pair.Shapes ?? Mean())];
        string[] Names(bool weights) => [.. walked.Where(pair => pair.Shapes is null && pair.Part.Stored.Any() == weights).Select(pair => pair.Part.Name)];
        return new RewardShapes(stands.Length == 1 ? stands[0] : stands.Length == 0 ? Mean() : new RewardMix([.. stands.Select(stand => (stand, 1f))]), Names(true), Names(false));
    }

    public void Dispose() => Stand.Dispose();

    private static CustomReward Mean() => new("mean", static (frames, _) => frames.mean([1, 2, 3, 4]), new RewardContract());
}
