using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// Cosine of CLIP's embeddings of frame and prompt (Radford et al. 2021, arXiv 2103.00020), without the temperature: it keeps prompts obeyed while
/// another reward is raised. Any CLIP folder of transformers with its tokenizer.
/// </summary>
internal sealed class TextImageSimilarity : PictureReward
{
    public const string Kind = "TextImageSimilarity";

    /// <summary>Prompts whose embeddings are kept; a prompt set of an alignment run is far smaller.</summary>
    private const int MostKept = 4096;

    private readonly ClipModel _clip;
    private readonly ClipTokenizer _tokenizer;
    private readonly FramePreprocessing _preprocessing;
    private readonly Func<RewardReference> _reference;
    private readonly Dictionary<string, Tensor> _texts = new(StringComparer.Ordinal);

    private TextImageSimilarity(ClipModel clip, ClipTokenizer tokenizer, Func<RewardReference> reference)
    {
        (_clip, _tokenizer, _reference) = (clip, tokenizer, reference);
        _preprocessing = FramePreprocessing.ForClip((int)clip.Config.Vision.ImageSize);
        Contract = new RewardContract
        {
            ReadsPrompt = true,
            WorkingSize = (_preprocessing.Height, _preprocessing.Width),
            Resizing = _preprocessing.Describe(),
            ScoreRange = (-1, 1),
        };
    }

    public override string Name => "text similarity";

    public override RewardContract Contract { get; }

    internal override RewardReference Reference => _reference();

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _clip.parameters();

    public static TextImageSimilarity FromFolder(string clipFolder, Placement placement, Func<RewardReference>? reference = null)
    {
        ClipFiles.Require(clipFolder);
        ClipTokenizer tokenizer = ClipTokenizer.FromFolder(clipFolder);
        return new TextImageSimilarity(ClipModel.FromFolder(clipFolder, placement), tokenizer, reference ?? (() => new RewardReference
        {
            Kind = Kind,
            Files = new Dictionary<string, RewardReference.FileReference> { [HeadReward.ClipRole] = RewardReference.FileReference.Of(clipFolder) },
        }));
    }

    public override void MoveTo(Device device)
    {
        _clip.to(device);
        Forget();
    }

    protected override Tensor PictureScores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        Tensor images = ClipModel.Normalize(_clip.ImageFeatures(frames.Pictures(_preprocessing)));  // [B*T, P]
        Tensor texts = Texts(prompts).repeat_interleave(frames.Count, dim: 0);
        return (images * texts).sum(1);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Forget();
            _clip.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Embeddings of the prompts, [B, P]; a prompt is encoded once.</summary>
    private Tensor Texts(IReadOnlyList<string> prompts)
    {
        string[] unknown = [.. prompts.Distinct(StringComparer.Ordinal).Where(prompt => !_texts.ContainsKey(prompt))];
        if (unknown.Length > 0)
        {
            if (_texts.Count + unknown.Length > MostKept)
            {
                Forget();
                unknown = [.. prompts.Distinct(StringComparer.Ordinal)];
            }

            using TokenBatch tokens = _tokenizer.Encode(unknown, (int)Math.Min(_tokenizer.MaxLength, _clip.Config.Text.MaxPositionEmbeddings));
            using Tensor ids = tokens.Ids.to(_clip.LogitScale.device);
            using Tensor features = _clip.TextFeatures(ids);
            using Tensor embeddings = ClipModel.Normalize(features);
            for (int row = 0; row < unknown.Length; row++)
            {
                using Tensor view = embeddings[row];
                _texts[unknown[row]] = view.clone().DetachFromDisposeScope();
            }
        }

        // A fresh tensor: what was kept in inference mode may not enter a graph, its copy may.
        return stack([.. prompts.Select(prompt => _texts[prompt])]);
    }

    private void Forget()
    {
        foreach (Tensor text in _texts.Values)
        {
            text.Dispose();
        }

        _texts.Clear();
    }
}
