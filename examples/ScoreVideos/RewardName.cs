using Microsoft.ML.VideoAlignment;

namespace ScoreVideos;

/// <summary>
/// A reward on the command line: of the embedded world, or from files of a published model. Two have a label: removal:square, action:growing.
/// </summary>
internal static class RewardName
{
    private static readonly (string Name, string Files, Func<string, VideoReward>? Embedded, Func<string, string[], VideoReward>? FromFiles)[] s_known =
    [
        ("aesthetic", "CLIP,HEAD", _ => MovingShapesRewards.Aesthetic(), (_, files) => VideoRewards.Aesthetic(files[0], files[1])),
        ("text", "CLIP", _ => MovingShapesRewards.TextSimilarity(), (_, files) => VideoRewards.TextImageSimilarity(files[0])),
        ("video-text", "CLIP", null, (_, files) => VideoRewards.VideoTextSimilarity(files[0])),
        ("preference", "HPS,TOKENIZER", _ => MovingShapesRewards.Preference(), (_, files) => VideoRewards.HumanPreferenceV2(files[0], files[1])),
        ("pickscore", "FOLDER", null, (_, files) => VideoRewards.PickScore(files[0])),
        ("removal", "YOLOS", label => MovingShapesRewards.ObjectRemoval(label), (label, files) => VideoRewards.ObjectRemoval(files[0], label)),
        ("action", "VIDEOMAE", label => MovingShapesRewards.Action(Action(label)),
            (label, files) => VideoRewards.ActionClassification(files[0], Action(label))),
        ("consistency", "VJEPA", _ => MovingShapesRewards.TemporalConsistency(), (_, files) => VideoRewards.TemporalConsistency(files[0])),
        ("true", "", _ => MovingShapesRewards.TrueRating(), null),
    ];

    /// <summary>The names, for the help.</summary>
    public static string Known => string.Join(", ", s_known.Select(Form));

    /// <summary>Tells whether a reward is of the embedded world, whose networks have seen videos of its size only.</summary>
    /// <param name="word">The reward on the command line.</param>
    public static bool IsEmbedded(string word) => !word.Contains('=', StringComparison.Ordinal);

    /// <summary>Opens a reward.</summary>
    /// <param name="word">The reward on the command line.</param>
    /// <exception cref="UsageException">The reward is unknown, or its files are not what it needs.</exception>
    public static VideoReward Open(string word)
    {
        string[] sides = word.Split('=', 2);
        string[] name = sides[0].Split(':', 2);
        if (Array.Find(s_known, known => known.Name == name[0]) is not { Name: not null } reward)
        {
            throw new UsageException($"unknown reward '{word}'; known are {Known}");
        }

        (string label, string[] files) = (name.ElementAtOrDefault(1) ?? "", sides.ElementAtOrDefault(1)?.Split(',') ?? []);
        Func<VideoReward>? open = files.Length == 0
            ? reward.Embedded is { } embedded ? () => embedded(label) : null
            : reward.FromFiles is { } fromFiles && files.Length == reward.Files.Split(',').Length ? () => fromFiles(label, files) : null;
        return open is null
            ? throw new UsageException($"'{word}': expected {Form(reward)}")
            : CommandLine.Open(word, open);
    }

    private static string Form(
        (string Name, string Files, Func<string, VideoReward>? Embedded, Func<string, string[], VideoReward>? FromFiles) reward)
    {
        string name = reward.Name switch { "removal" => "removal:LABEL", "action" => "action[:LABEL]", _ => reward.Name };
        return reward.FromFiles is null ? name : reward.Embedded is null ? $"{name}={reward.Files}" : $"{name}[={reward.Files}]";
    }

    private static ActionClassificationOptions Action(string label) => new() { Label = label.Length == 0 ? null : label };
}
