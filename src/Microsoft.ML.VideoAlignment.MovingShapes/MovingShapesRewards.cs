using Microsoft.ML.VideoAlignment.MovingShapes;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The rewards of the MovingShapes world: small networks of the published forms, trained on videos of shapes. They take no gradient
/// themselves.
/// </summary>
public static class MovingShapesRewards
{
    internal const string AestheticKind = "MovingShapesAesthetic";
    internal const string WeatherKind = "MovingShapesWeather";
    internal const string CompressedSizeKind = "MovingShapesCompressedSize";
    internal const string TextSimilarityKind = "MovingShapesTextSimilarity";
    internal const string PreferenceKind = "MovingShapesPreference";
    internal const string ActionKind = "MovingShapesAction";
    internal const string ObjectRemovalKind = "MovingShapesObjectRemoval";
    internal const string TemporalConsistencyKind = "MovingShapesTemporalConsistency";

    // One line a kind; a reward that was made here can be saved, so its kind is registered before.
    static MovingShapesRewards()
    {
        foreach (RewardDefinition definition in Definitions)
        {
            RewardCatalog.Register(definition);
        }
    }

    /// <summary>The kinds of rewards that model files can name.</summary>
    internal static IReadOnlyList<RewardDefinition> Definitions { get; } =
    [
        RewardDefinition.Create(AestheticKind, static _ => (HeadReward)Aesthetic()),
        RewardDefinition.Create(WeatherKind, static _ => (HeadReward)Weather()),
        RewardDefinition.Create(CompressedSizeKind, static _ => (HeadReward)CompressedSize()),
        RewardDefinition.Create(TextSimilarityKind, static _ => (TextImageReward)TextSimilarity()),
        RewardDefinition.Create(PreferenceKind, static _ => (TextImageReward)Preference()),
        RewardDefinition.Create(ActionKind, static saved => (ActionClassificationReward)Action(ActionClassificationSettings.Read(saved)))
            with { Upgrade = ActionClassificationSettings.Upgrade },
        RewardDefinition.Create(ObjectRemovalKind, static saved => MakeObjectRemoval(ObjectRemovalReward.ReadSettings(saved)))
            with { Upgrade = ObjectRemovalSettings.Upgrade },
        RewardDefinition.Create(TemporalConsistencyKind, static _ => (VJepaReward)TemporalConsistency()),
        RewardDefinition.Create(TrueRatingReward.Kind, static _ => new TrueRatingReward()),
    ];

    /// <summary>Opens the aesthetic reward, 1 .. 10: a head that was trained on samples of <see cref="TrueRating"/>.</summary>
    public static VideoReward Aesthetic() => Head(AestheticKind, HeadRewardKind.Aesthetic, "aesthetic-head.safetensors");

    /// <summary>Opens <see cref="VideoRewards.Weather"/>, 0 .. 1: how light the background is, the nearest thing to snow in this world.</summary>
    public static VideoReward Weather() => Head(WeatherKind, HeadRewardKind.Weather, "weather-head.safetensors");

    /// <summary>Opens <see cref="VideoRewards.CompressedSize"/>: the predicted kB of a frame as JPEG of quality 95, lower is better.</summary>
    public static VideoReward CompressedSize() => Head(CompressedSizeKind, HeadRewardKind.CompressedSize, "compression-head.safetensors");

    /// <summary>Opens <see cref="VideoRewards.TextImageSimilarity"/> with this world's CLIP.</summary>
    public static VideoReward TextSimilarity()
    {
        string clip = MovingShapesFiles.Find("clip");
        return TextImageReward.Similarity(clip, Placement.Cpu, () => Save(TextSimilarityKind, clip));
    }

    /// <summary>
    /// Opens <see cref="VideoRewards.HumanPreferenceV2"/> with this world's preference model. It learned to choose, of two frames for a prompt, the one with
    /// the higher sum of true rating and three points for each of color, shape and background that is the prompt's.
    /// </summary>
    public static VideoReward Preference()
    {
        (string file, string clip) = (MovingShapesFiles.Find("human-preference.pt"), MovingShapesFiles.Find("clip"));
        return TextImageReward.HumanPreference(
            file, PromptTokens.FromOpenClip(clip), Placement.Cpu, () => Save(PreferenceKind, file, clip),
            headWidth: MovingShapesSettings.PreferenceHeadWidth);
    }

    /// <summary>
    /// Opens <see cref="VideoRewards.ActionClassification"/> with this world's VideoMAE, for 8 frames of 32 x 32. Its labels are the six motions as prompts
    /// write them ("moving left", "moving right", "moving up", "moving down", "growing", "staying still"), and a prompt asks for the one it contains.
    /// </summary>
    /// <param name="options">Further texts of prompts, one label for all, logarithm, precision; null: the defaults.</param>
    /// <exception cref="ArgumentException">The classifier has no such label; the message lists those like it.</exception>
    public static VideoReward Action(ActionClassificationOptions? options = null)
    {
        options ??= new ActionClassificationOptions();
        var prompts = MovingShapesSettings.Motions.ToDictionary(motion => motion, motion => motion, StringComparer.Ordinal);
        foreach ((string text, string label) in options.Prompts)
        {
            prompts[text] = label;
        }

        string folder = MovingShapesFiles.Find("action");
        return ActionClassificationReward.FromFolder(
            folder, options with { Prompts = prompts }, Placement.OnCpu(options.Precision), saved => saved.AsEmbedded(ActionKind, Hash(folder)));
    }

    /// <summary>Opens <see cref="VideoRewards.ObjectRemoval"/> with this world's YOLOS detector.</summary>
    /// <param name="label">"circle", "square", "triangle" or "cross".</param>
    /// <param name="options">
    /// Threshold and precision; null: the defaults. Frames are always resized to the detector's 32 pixels: <see cref="ObjectRemovalOptions.Height"/> is not
    /// read.
    /// </param>
    /// <exception cref="ArgumentException">The detector has no such label, or an option is out of its range.</exception>
    public static VideoReward ObjectRemoval(string label, ObjectRemovalOptions? options = null)
    {
        options = (options ?? new ObjectRemovalOptions()) with { Height = MovingShapesSettings.FrameSize };
        string folder = MovingShapesFiles.Find("detector");
        return ObjectRemovalReward.FromFolder(
            folder, label, options, Placement.OnCpu(options.Precision), saved => saved.AsEmbedded(ObjectRemovalKind, Hash(folder)));
    }

    /// <summary>
    /// Opens <see cref="VideoRewards.TemporalConsistency"/> with this world's V-JEPA, for videos of 8 frames or a multiple of them; longer ones by
    /// <see cref="RewardFrames.Windows"/>. Its masks hide a single frame, or the second half of the video.
    /// </summary>
    /// <remarks>
    /// It notices when a video changes into another, when its frames are out of order, and when shape or color change midway (the package's report.txt has the
    /// shares). V-JEPA's networks and loss, not its training: the target encoder was taught by labels and frozen. It prefers a video that stands still to the
    /// one it was made from, so an alignment to it needs something that keeps motion.
    /// </remarks>
    public static VideoReward TemporalConsistency()
    {
        string file = MovingShapesFiles.Find("vjepa.pth.tar");
        return VJepaReward.FromFile(file, MovingShapesSettings.Consistency, Placement.Cpu, save: () => Save(TemporalConsistencyKind, file));
    }

    /// <summary>
    /// Makes the known rating of MovingShapes videos, 1 .. 10, mean over frames, which shows whether a gain in a predicted rating is real. It is for evaluation
    /// only and declares no gradient.
    /// </summary>
    public static VideoReward TrueRating() => new TrueRatingReward();

    private static HeadReward Head(string kind, HeadRewardKind form, string file)
    {
        (string clip, string head) = (MovingShapesFiles.Find("clip"), MovingShapesFiles.Find(file));
        return HeadReward.FromFiles(form, clip, head, Placement.Cpu, save: () => Save(kind, clip, head));
    }

    private static ObjectRemovalReward MakeObjectRemoval(ObjectRemovalSettings settings) =>
        (ObjectRemovalReward)ObjectRemoval(settings.Label, settings.Options);

    // Names a reward by its kind and the hash of its files, which come with this package.
    private static SavedReward Save(string kind, params string[] files) => new(kind) { ContentHash = Hash(files) };

    private static string Hash(params IEnumerable<string> files) => string.Join(' ', files.Select(file => FileReference.Create(file).Sha256));
}
