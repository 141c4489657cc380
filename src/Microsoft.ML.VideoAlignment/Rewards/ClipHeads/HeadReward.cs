using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.ClipHeads;

/// <summary>
/// CLIP's image embedding of each frame, l2-normalized, and a small head on it: VADER's aesthetic, weather and compression rewards
/// (aesthetic_scorer.py, weather_scorer.py, compression_scorer.py of commit adaf2ef). Of the CLIP folder only the vision half is read.
/// </summary>
internal sealed class HeadReward : ImageReward
{
    public const string ClipRole = "clip";
    public const string HeadRole = "head";

    private readonly ClipVisionEncoder _clip;
    private readonly ScoreHead _head;
    private readonly Func<SavedReward> _save;

    private HeadReward(HeadRewardKind kind, ClipVisionEncoder clip, ScoreHead head, FramePreprocessing preprocessing, Func<SavedReward> save)
    {
        (Kind, _clip, _head, Preprocessing, _save) = (kind, clip, head, preprocessing, save);
        Contract = new RewardContract
        {
            WorkingSize = (preprocessing.Height, preprocessing.Width),
            Resizing = preprocessing.Describe(),
            ScoreRange = kind.ScoreRange,
            Direction = kind.Direction,
        };
    }

    public HeadRewardKind Kind { get; }

    public override string Name => Kind.Title;

    public override RewardContract Contract { get; }

    public FramePreprocessing Preprocessing { get; }

    /// <summary>One of the three kinds in the catalog.</summary>
    /// <param name="kind">Which head it is.</param>
    public static RewardDefinition Define(HeadRewardKind kind) =>
        RewardDefinition.Create(kind.Name, saved => FromFiles(kind, saved.GetFile(ClipRole), saved.GetFile(HeadRole), WeightSettings.Read(saved)))
            with
        { Upgrade = WeightSettings.Upgrade };

    /// <param name="kind">Which head it is.</param>
    /// <param name="clipFolder">A transformers folder: a whole CLIP model or an image encoder with its projection.</param>
    /// <param name="headFile">safetensors or torch.save, keys layers.N.weight and .bias.</param>
    /// <param name="placement">Where the networks are and what they compute in.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    /// <param name="save">How a model file names this reward; null: by the two files.</param>
    /// <exception cref="ArgumentException">The head reads embeddings of another width than the CLIP model gives.</exception>
    public static HeadReward FromFiles(
        HeadRewardKind kind, string clipFolder, string headFile, Placement placement, bool clamp = true, Func<SavedReward>? save = null)
    {
        ClipFiles.Require(clipFolder);
        ScoreHead head = ScoreHead.FromFile(headFile, kind.Form, placement);
        ClipVisionEncoder clip = ClipVisionEncoder.FromFolder(clipFolder, placement);
        if (clip.Config.ProjectionDim != head.InFeatures)
        {
            (long features, long width) = (head.InFeatures, clip.Config.ProjectionDim);
            head.Dispose();
            clip.Dispose();
            throw new ArgumentException(
                $"The head {headFile} reads embeddings of {features} numbers, the CLIP model in {clipFolder} gives {width}. " +
                "They belong together only when made for one another (LAION's aesthetic head: openai/clip-vit-large-patch14, 768).", nameof(headFile));
        }

        FramePreprocessing preprocessing = FramePreprocessing.ForClip((int)clip.Config.ImageSize) with { Clamp = clamp };
        return new HeadReward(
            kind, clip, head, preprocessing, save ?? (() => WeightSettings.Save(kind.Name, placement, (ClipRole, clipFolder), (HeadRole, headFile))));
    }

    /// <summary>Runs the reward and returns every station.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <returns>Fresh tensors: features and l2-normalized embedding [B*T, P], scores [B*T]; row b * T + t is frame t of video b.</returns>
    public (Tensor Features, Tensor Embedding, Tensor Scores) RunStages(PreprocessedFrames frames)
    {
        Tensor images = frames.Images(Preprocessing);
        Tensor features = PrecisionPolicy.Run(NetworkRole.Reward, () => _clip.call(images)); // [B*T, P]
        Tensor embedding = ClipModel.Normalize(features);
        return (features, embedding, _head.call(embedding));
    }

    /// <summary>A weight, for tests.</summary>
    /// <param name="key">Its name in its file.</param>
    internal Tensor Weight(string key) => key.StartsWith("layers.", StringComparison.Ordinal) ? _head.get_parameter(key)! : _clip.get_parameter(key)!;

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => [.. _clip.parameters(), .. _head.parameters()];

    protected internal override IEnumerable<nn.Module> Networks => [_clip, _head];

    protected internal override VideoReward ToMeta() => new HeadReward(Kind, _clip.ToMeta(), _head.ToMeta(), Preprocessing, _save);

    protected internal override SavedReward Save() => _save();

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => RunStages(frames).Scores;
}
