using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// The cosine of a video's embedding and its prompt's, for any CLIP: cos(mean over t of f(frame t), g(prompt)), f and g before they are l2-normalized. The mean is
/// inside the cosine, as in the mean pooling of CLIP4Clip (arXiv 2104.08860): a frame counts by how much it moves the video's embedding, so this is no mean of
/// frames' scores.
/// </summary>
internal sealed class VideoTextSimilarity : VideoReward
{
    public const string Kind = "VideoTextSimilarity";

    private const string Title = "video-text similarity";

    private readonly TextImageTowers _towers;
    private readonly FramePreprocessing _preprocessing;
    private readonly Func<RewardReference> _reference;

    private VideoTextSimilarity(TextImageTowers towers, Func<RewardReference> reference)
    {
        (_towers, _reference) = (towers, reference);
        _preprocessing = FramePreprocessing.ForClip(towers.ImageSize.Height);
        Contract = new RewardContract
        {
            ReadsPrompt = true,
            ScoresFramesSeparately = false,
            WorkingSize = (_preprocessing.Height, _preprocessing.Width),
            Resizing = _preprocessing.Describe(),
            ScoreRange = (-1, 1),
        };
    }

    public override string Name => Title;

    public override RewardContract Contract { get; }

    internal override RewardReference Reference => _reference();

    public static VideoTextSimilarity FromFolder(string clipFolder, Placement placement) => new(
        TextImageTowers.FromClipFolder(Title, clipFolder, PromptTokens.OfClipFolder(clipFolder), placement),
        () => RewardReference.Create(Kind, placement, (HeadReward.ClipRole, clipFolder)));

    internal override IEnumerable<nn.Module> Networks => [_towers.Vision];

    internal override IEnumerable<Tensor> Stored => _towers.Stored;

    internal override VideoReward OnMeta() => new VideoTextSimilarity(_towers.OnMeta(), _reference);

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _towers.MoveTo(device);
    }

    public override void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
        RequireAlive();
        _towers.RestrictTo(prompts);
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => ScorePrepared(new PreprocessedFrames(frames), prompts, parts: null);

    private protected override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts)
    {
        Tensor features = _towers.ImageFeatures(frames.Images(_preprocessing)); // [B*T, P]
        Tensor video = ClipModel.Normalize(features.view(frames.Batch, frames.Count, -1).mean([1])); // [B, P]
        return (video * _towers.Prompts.Embed(prompts)).sum(1);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _towers.Dispose();
        }

        base.Dispose(disposing);
    }
}
