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

    private HeadReward(HeadRewardKind kind, ClipVisionEncoder clip, ScoreHead head, FramePreprocessing preprocessing, Func<RewardReference> reference)
    {
        (Kind, _clip, _head, Preprocessing, _reference) = (kind, clip, head, preprocessing, reference);
        Contract = new RewardContract
        {
            WorkingSize = (preprocessing.Height, preprocessing.Width),
            Resizing = preprocessing.Describe(),
            ScoreRange = kind.ScoreRange,
            Direction = kind.Direction,
        };
    }

    private readonly Func<RewardReference> _reference;

    public HeadRewardKind Kind { get; }

    public override string Name => Kind.Title;

    public override RewardContract Contract { get; }

    public FramePreprocessing Preprocessing { get; }

    internal override RewardReference Reference => _reference();

    /// <param name="kind">Which head it is.</param>
    /// <param name="clipFolder">A transformers folder: a whole CLIP model or an image encoder with its projection.</param>
    /// <param name="headFile">safetensors or torch.save, keys layers.N.weight and .bias.</param>
    /// <param name="placement">Where the networks are and what they compute in.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    /// <param name="reference">How a model file names this reward; null: by the two files.</param>
    public static HeadReward FromFiles(
        HeadRewardKind kind, string clipFolder, string headFile, Placement placement, bool clamp = true, Func<RewardReference>? reference = null)
    {
        ClipFiles.Require(clipFolder);
        ScoreHead head = ScoreHead.FromFile(headFile, kind.Form, placement);
        ClipVisionEncoder clip = ClipVisionEncoder.FromFolder(clipFolder, placement);
        if (clip.Config.ProjectionDim != head.InFeatures)
        {
            long features = head.InFeatures;
            head.Dispose();
            clip.Dispose();
            throw new ArgumentException($"The head {headFile} reads embeddings of {features} numbers, the CLIP model in {clipFolder} gives {clip.Config.ProjectionDim}. " +
                "They belong together only when made for one another (LAION's aesthetic head: openai/clip-vit-large-patch14, 768).", nameof(headFile));
        }

        return new HeadReward(kind, clip, head, FramePreprocessing.ForClip((int)clip.Config.ImageSize) with { Clamp = clamp }, reference ?? (() => RewardReference.Create(
            kind.Name, placement, (ClipRole, clipFolder), (HeadRole, headFile))));
    }

    /// <summary>Every station of the reward; fresh tensors. Rows are images, b * T + t.</summary>
    public (Tensor Features, Tensor Embedding, Tensor Scores) Stages(PreprocessedFrames frames)
    {
        Tensor features = _clip.call(frames.Images(Preprocessing));  // [B*T, P]
        Tensor embedding = ClipModel.Normalize(features);
        return (features, embedding, _head.call(embedding));
    }

    /// <summary>A weight by its name in its file; for tests.</summary>
    internal Tensor Weight(string key) => key.StartsWith("layers.", StringComparison.Ordinal) ? _head.get_parameter(key)! : _clip.get_parameter(key)!;

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => [.. _clip.parameters(), .. _head.parameters()];

    internal override IEnumerable<nn.Module> Networks => [_clip, _head];

    internal override VideoReward OnMeta() => new HeadReward(Kind, _clip.OnMeta(), _head.OnMeta(), Preprocessing, _reference);

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _clip.to(device);
        _head.to(device);
    }

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => Stages(frames).Scores;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _clip.Dispose();
            _head.Dispose();
        }

        base.Dispose(disposing);
    }
}
