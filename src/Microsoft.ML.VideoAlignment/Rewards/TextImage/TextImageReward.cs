using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// Cosine of the embeddings of frame and prompt, mean over frames: CLIP itself (arXiv 2103.00020), HPS v2 (arXiv 2306.09341) and, multiplied by the model's
/// temperature, PickScore (arXiv 2305.01569). They differ in weights, in how images are prepared and in the factor.
/// </summary>
internal sealed class TextImageReward : ImageReward
{
    public const string SimilarityKind = "TextImageSimilarity";
    public const string PreferenceKind = "HumanPreferenceV2";
    public const string PickScoreKind = "PickScore";
    public const string ClipRole = "clip";
    public const string ModelRole = "model";
    public const string TokenizerRole = "tokenizer";

    private readonly bool _tempered;
    private readonly Func<SavedReward> _save;

    private TextImageReward(
        string name, TextImageTowers towers, FramePreprocessing preprocessing, bool tempered, (float Low, float High) range, Func<SavedReward> save)
    {
        (Name, Towers, Preprocessing, _tempered, _save) = (name, towers, preprocessing, tempered, save);
        Contract = new RewardContract
        {
            ReadsPrompt = true,
            WorkingSize = (preprocessing.Height, preprocessing.Width),
            Resizing = preprocessing.Describe(),
            ScoreRange = range,
        };
    }

    public override string Name { get; }

    public override RewardContract Contract { get; }

    public TextImageTowers Towers { get; }

    public FramePreprocessing Preprocessing { get; }

    /// <summary>CLIP's own cosine in the catalog.</summary>
    public static RewardDefinition SimilarityDefinition { get; } =
        RewardDefinition.Create(SimilarityKind, static saved => Similarity(saved.GetFile(ClipRole), WeightSettings.Read(saved)))
            with
        { Upgrade = WeightSettings.Upgrade };

    /// <summary>HPS v2 in the catalog.</summary>
    public static RewardDefinition PreferenceDefinition { get; } =
        RewardDefinition.Create(
            PreferenceKind, static saved => HumanPreference(saved.GetFile(ModelRole), saved.GetFile(TokenizerRole), WeightSettings.Read(saved)))
            with
        { Upgrade = WeightSettings.Upgrade };

    /// <summary>PickScore in the catalog.</summary>
    public static RewardDefinition PickScoreDefinition { get; } =
        RewardDefinition.Create(PickScoreKind, static saved => PickScore(saved.GetFile(ClipRole), WeightSettings.Read(saved)))
            with
        { Upgrade = WeightSettings.Upgrade };

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => Towers.Weights;

    /// <summary>Makes CLIP's own cosine, -1 .. 1, without its temperature.</summary>
    /// <param name="clipFolder">A transformers folder of a whole CLIP model with its tokenizer.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="save">How a model file names this reward; null: by the folder.</param>
    public static TextImageReward Similarity(string clipFolder, Placement placement, Func<SavedReward>? save = null)
    {
        const string Title = "text similarity";
        var towers = TextImageTowers.FromClipFolder(Title, clipFolder, PromptTokens.FromClipFolder(clipFolder), placement);
        return new TextImageReward(Title, towers, Stretched(towers, clamp: true), tempered: false, (-1, 1), save ?? (() => WeightSettings.Save(
            SimilarityKind, placement, (ClipRole, clipFolder))));
    }

    /// <summary>
    /// Makes HPS v2.0 or v2.1, one network with other weights: the cosine, without temperature, of VADER's hps_scorer.py (commit adaf2ef). Images are
    /// stretched as for the aesthetic reward.
    /// </summary>
    /// <param name="file">HPS_v2_compressed.pt or HPS_v2.1_compressed.pt.</param>
    /// <param name="tokenizer">OpenCLIP's vocabulary, or a CLIP tokenizer folder with the same.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static TextImageReward HumanPreference(string file, string tokenizer, Placement placement) =>
        HumanPreference(file, PromptTokens.FromOpenClip(tokenizer), placement, () => WeightSettings.Save(
            PreferenceKind, placement, (ModelRole, file), (TokenizerRole, tokenizer)));

    /// <summary>Makes HPS v2 with a tokenizer of the caller's.</summary>
    /// <param name="file">HPS_v2_compressed.pt, HPS_v2.1_compressed.pt or another OpenCLIP file.</param>
    /// <param name="tokenize">Prompts -> ids, padded with zeros.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="save">How a model file names this reward.</param>
    /// <param name="config">Null: from the shapes in the file.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    /// <param name="headWidth">Width of both towers' heads, which no shape tells; null: by the rule of the published models.</param>
    internal static TextImageReward HumanPreference(
        string file, Func<IReadOnlyList<string>, OpenClipTextConfig, TokenBatch> tokenize, Placement placement, Func<SavedReward> save,
        OpenClipConfig? config = null, bool clamp = true, long? headWidth = null)
    {
        const string Title = "human preference";
        using PreferenceFile source = PreferenceFile.Open(file);
        config ??= OpenClipConfig.FromTensors(source.Weights, headWidth, headWidth);
        var towers = TextImageTowers.FromOpenClip(Title, source.Weights, config, tokenize, placement);
        return new TextImageReward(Title, towers, Stretched(towers, clamp), tempered: false, (-1, 1), save);
    }

    /// <summary>
    /// Makes exp(logit_scale) times the cosine, about -100 .. 100: VADER's PickScore (commit adaf2ef), with each image against its own prompt.
    /// </summary>
    /// <param name="folder">A transformers folder of the whole model with its tokenizer.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    public static TextImageReward PickScore(string folder, Placement placement) =>
        PickScore(folder, PromptTokens.FromClipFolder(folder), placement, () => WeightSettings.Save(PickScoreKind, placement, (ClipRole, folder)));

    /// <summary>Makes PickScore with a tokenizer of the caller's.</summary>
    /// <param name="folder">A transformers folder of the whole model.</param>
    /// <param name="tokenize">(prompts, positions of the text tower) -> ids.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="save">How a model file names this reward.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    internal static TextImageReward PickScore(
        string folder, Func<IReadOnlyList<string>, long, TokenBatch> tokenize, Placement placement, Func<SavedReward> save, bool clamp = true)
    {
        const string Title = "PickScore";
        var towers = TextImageTowers.FromClipFolder(Title, folder, tokenize, placement);
        return new TextImageReward(
            Title, towers, FramePreprocessing.ForPickScore(towers.ImageSize.Height) with { Clamp = clamp }, tempered: true, Range(towers), save);
    }

    /// <summary>Runs the image tower and returns every station.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <returns>Fresh tensors [B*T, P], as the tower gives them and l2-normalized; row b * T + t is frame t of video b.</returns>
    public (Tensor Features, Tensor Embedding) RunStages(PreprocessedFrames frames)
    {
        Tensor features = Towers.ImageFeatures(frames.Images(Preprocessing)); // [B*T, P]
        return (features, ClipModel.Normalize(features));
    }

    protected internal override IEnumerable<nn.Module> Networks => [Towers.Vision];

    protected internal override IEnumerable<Tensor> Stored => Towers.Stored;

    protected internal override IEnumerable<Tensor> StoredForPrompts => Towers.StoredForPrompts;

    protected internal override VideoReward ToMeta() => new TextImageReward(Name, Towers.ToMeta(), Preprocessing, _tempered, Contract.ScoreRange, _save);

    protected internal override SavedReward Save() => _save();

    public override void MoveTo(Device device)
    {
        RequireAlive();
        Towers.MoveTo(device);
    }

    protected internal override IDisposable PreparePrompts(IReadOnlyList<string> prompts, CancellationToken cancellation)
    {
        RequireAlive();
        return Towers.Prompts.Prepare(prompts, cancellation);
    }

    public override void RestrictToPrompts(IReadOnlyList<string> prompts)
    {
        RequireAlive();
        Towers.RestrictTo(prompts);
    }

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        Tensor texts = Towers.Prompts.Embed(prompts).repeat_interleave(frames.Count, dim: 0);
        Tensor cosines = (RunStages(frames).Embedding * texts).sum(1);
        return _tempered ? Towers.Temperature * cosines : cosines;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Towers.Dispose();
        }

        base.Dispose(disposing: false); // the image network is the towers' to dispose
    }

    private static FramePreprocessing Stretched(TextImageTowers towers, bool clamp) =>
        FramePreprocessing.ForClip(towers.ImageSize.Height) with { Width = towers.ImageSize.Width, Clamp = clamp };

    private static (float Low, float High) Range(TextImageTowers towers)
    {
        using Tensor scale = towers.Temperature;
        float high = (float)Math.Ceiling(HostRead.Number(scale));
        return (-high, high);
    }
}
