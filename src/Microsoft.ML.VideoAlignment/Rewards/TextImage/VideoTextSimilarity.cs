using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// The cosine of a video's embedding and its prompt's, for any CLIP: cos(mean over t of f(frame t), g(prompt)), f and g before they are l2-normalized. The
/// mean is inside the cosine, as in the mean pooling of CLIP4Clip (arXiv 2104.08860): a frame counts by how much it moves the video's embedding, so this is
/// not a mean of frames' scores.
/// </summary>
internal sealed class VideoTextSimilarity : PreprocessingReward
{
    public const string Kind = "VideoTextSimilarity";

    private const string Title = "video-text similarity";

    private readonly TextImageTowers _towers;
    private readonly FramePreprocessing _preprocessing;
    private readonly Func<SavedReward> _save;

    private VideoTextSimilarity(TextImageTowers towers, Func<SavedReward> save)
    {
        (_towers, _save) = (towers, save);
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

    /// <summary>The reward in the catalog.</summary>
    public static RewardDefinition Definition { get; } =
        RewardDefinition.Create(Kind, static saved => FromFolder(saved.GetFile(TextImageReward.ClipRole), WeightSettings.Read(saved)))
            with
        { Upgrade = WeightSettings.Upgrade };

    public static VideoTextSimilarity FromFolder(string clipFolder, Placement placement) => new(
        TextImageTowers.FromClipFolder(Title, clipFolder, PromptTokens.FromClipFolder(clipFolder), placement),
        () => WeightSettings.Save(Kind, placement, (TextImageReward.ClipRole, clipFolder)));

    protected internal override IEnumerable<nn.Module> Networks => [_towers.Vision];

    protected internal override IEnumerable<Tensor> Stored => _towers.Stored;

    protected internal override IEnumerable<Tensor> StoredForPrompts => _towers.StoredForPrompts;

    protected internal override VideoReward ToMeta() => new VideoTextSimilarity(_towers.ToMeta(), _save);

    protected internal override SavedReward Save() => _save();

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _towers.MoveTo(device);
    }

    protected internal override IDisposable PreparePrompts(IReadOnlyList<string> prompts, CancellationToken cancellation)
    {
        RequireAlive();
        return _towers.Prompts.Prepare(prompts, cancellation);
    }

    public override void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
        RequireAlive();
        _towers.RestrictTo(prompts);
    }

    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
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

        base.Dispose(disposing: false); // the image network is the towers' to dispose
    }
}
