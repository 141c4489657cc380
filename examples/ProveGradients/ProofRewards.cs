using Microsoft.ML.VideoAlignment;

namespace ProveGradients;

/// <summary>A reward of every kind, with the small networks of the embedded world; each is made once.</summary>
internal sealed class ProofRewards : IDisposable
{
    private static readonly string s_clip = Path.Combine(AppContext.BaseDirectory, "MovingShapes", "clip");

    private static readonly Dictionary<string, Func<VideoReward>> s_makers = new(StringComparer.Ordinal)
    {
        ["custom"] = () => VideoRewards.Custom("contrast", (frames, _) => frames.std([1, 2, 3, 4], unbiased: false) + frames.select(1, 0).mean([1, 2, 3])),
        ["aesthetic"] = MovingShapesRewards.Aesthetic,
        ["weather"] = MovingShapesRewards.Weather,
        ["compression"] = MovingShapesRewards.CompressedSize,
        ["text"] = MovingShapesRewards.TextSimilarity,
        ["video-text"] = () => VideoRewards.VideoTextSimilarity(s_clip),
        ["preference"] = MovingShapesRewards.Preference,
        ["pickscore"] = () => VideoRewards.PickScore(s_clip),
        ["removal"] = () => MovingShapesRewards.ObjectRemoval("square", new ObjectRemovalOptions { Threshold = 0 }),
        ["action"] = () => MovingShapesRewards.Action(new ActionClassificationOptions { LogProbability = true }),
        ["consistency"] = MovingShapesRewards.TemporalConsistency,
        ["sum"] = () => (MovingShapesRewards.Aesthetic() * 1.5f) + MovingShapesRewards.TextSimilarity(),
        ["normalized"] = () => VideoRewards.Mix([(MovingShapesRewards.Aesthetic(), 1f), (MovingShapesRewards.TextSimilarity(), 2f)], normalize: true),
    };

    private readonly Dictionary<string, VideoReward> _made = new(StringComparer.Ordinal);

    /// <summary>The names of the rewards.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. s_makers.Keys];

    /// <summary>Tells whether a reward looks at a video of eight frames as a whole.</summary>
    /// <param name="name">Its name.</param>
    public static bool NeedsVideo(string name) => name is "action" or "consistency";

    /// <summary>Gets a reward, which stays this object's.</summary>
    /// <param name="name">Its name.</param>
    public VideoReward this[string name] => _made.TryGetValue(name, out VideoReward? reward) ? reward : _made[name] = s_makers[name]();

    public void Dispose()
    {
        foreach (VideoReward reward in _made.Values)
        {
            reward.Dispose();
        }
    }
}
