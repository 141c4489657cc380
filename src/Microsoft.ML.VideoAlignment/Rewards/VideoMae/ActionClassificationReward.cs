using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>
/// How sure a VideoMAE classifier is that the video shows the action its prompt asks for: VADER's action reward (actpred_scorer.py of commit adaf2ef,
/// with the softmax taken per video, so that any batch is right).
/// </summary>
internal sealed class ActionClassificationReward : PreprocessingReward
{
    public const string Kind = "ActionClassification";
    public const string ClassifierRole = "classifier";

    private readonly VideoMaeNetwork _network;
    private readonly FramePreprocessing _preprocessing;
    private readonly ActionClassificationOptions _options;
    private readonly ActionPrompts _prompts;
    private readonly int? _label;
    private readonly string _folder;
    private readonly Func<SavedReward, SavedReward>? _embed;

    private ActionClassificationReward(
        VideoMaeNetwork network, string folder, ActionClassificationOptions options, Func<SavedReward, SavedReward>? embed)
    {
        VideoMaeConfig config = network.Config;
        (_network, _folder, _options, _embed) = (network, folder, options, embed);
        _prompts = new ActionPrompts(config.Labels, options.Prompts);
        _label = options.Label is null ? null : config.Labels.Require(options.Label, nameof(options));
        _preprocessing = FramePreprocessing.ForImageNet(checked((int)config.ImageSize.Height), checked((int)config.ImageSize.Width));
        Contract = new RewardContract
        {
            ReadsPrompt = _label is null,
            MinimumFrames = checked((int)config.TubeletSize),
            FrameMultiple = checked((int)config.TubeletSize),
            ScoresFramesSeparately = false,
            WorkingSize = (_preprocessing.Height, _preprocessing.Width),
            Resizing = _preprocessing.Describe(),
            ScoreRange = options.LogProbability ? (float.NegativeInfinity, 0) : (0, 1),
        };
    }

    public override string Name => _options.Label is null ? "action" : $"action '{_options.Label}'";

    public override RewardContract Contract { get; }

    /// <summary>The reward in the catalog.</summary>
    public static RewardDefinition Definition { get; } = RewardDefinition.Create(
        Kind,
        static saved =>
        {
            ActionClassificationOptions options = ActionClassificationSettings.Read(saved);
            return FromFolder(saved.GetFile(ClassifierRole), options, Placement.OnCpu(options.Precision));
        }) with
    { Upgrade = ActionClassificationSettings.Upgrade };

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <summary>Reads a classifier.</summary>
    /// <param name="folder">The classifier's.</param>
    /// <param name="options">Which label a prompt means.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="embed">Turns what a model file says into the name of a model that ships with a package; null: the folder names it.</param>
    public static ActionClassificationReward FromFolder(
        string folder, ActionClassificationOptions options, Placement placement, Func<SavedReward, SavedReward>? embed = null)
    {
        VideoMaeNetwork network = VideoMaeNetwork.FromFolder(folder, placement);
        try
        {
            var prompts = new Dictionary<string, string>(options.Prompts, StringComparer.Ordinal);
            return new ActionClassificationReward(network, folder, options with { Prompts = prompts }, embed);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Runs the network and returns every station.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <returns>Fresh tensors: what the network sees, [B, T, 3, S, S], and its logits [B, labels].</returns>
    public (Tensor Pixels, Tensor Logits) RunStages(PreprocessedFrames frames)
    {
        Tensor pixels = frames.Images(_preprocessing).unflatten(0, [frames.Batch, frames.Count]);
        return (pixels, _network.Run(pixels).Logits);
    }

    /// <summary>Turns logits into scores.</summary>
    /// <param name="logits">[B, labels].</param>
    /// <param name="labels">The id of the label that each video is to show; B of them.</param>
    /// <returns>[B].</returns>
    public Tensor ScoreLogits(Tensor logits, IReadOnlyList<int> labels)
    {
        Tensor rows = DeviceTable.Create([.. labels.Select(label => (long)label)], logits.device).unsqueeze(1);
        Tensor scores = _options.LogProbability ? logits.log_softmax(-1) : logits.softmax(-1);
        return scores.gather(1, rows).squeeze(1);
    }

    /// <summary>Finds the label that each prompt asks for.</summary>
    /// <param name="prompts">B prompts; not read where one label is for all.</param>
    /// <param name="batch">B.</param>
    /// <returns>B ids.</returns>
    /// <exception cref="RewardContractException">A prompt asks for no label.</exception>
    public IReadOnlyList<int> FindLabels(IReadOnlyList<string> prompts, int batch) =>
        _label is { } label ? [.. Enumerable.Repeat(label, batch)] : [.. prompts.Select(prompt => _prompts.Require(prompt, Name))];

    /// <summary>A weight, for tests.</summary>
    /// <param name="key">Its name in the file.</param>
    internal Tensor Weight(string key) => _network.get_parameter(VideoMaeNetwork.Keys.MapName(key)!)!;

    protected internal override IEnumerable<nn.Module> Networks => [_network];

    protected internal override VideoReward ToMeta()
    {
        var network = new VideoMaeNetwork(_network.Config, Placement.MetaLike(_network));
        return new ActionClassificationReward(network, _folder, _options with { Label = _options.Label ?? _network.Config.Labels.AnyLabel }, _embed);
    }

    protected internal override SavedReward Save()
    {
        var saved = SavedReward.Create(Kind, _options, ActionClassificationSettings.Default.ActionClassificationOptions, (ClassifierRole, _folder));
        return _embed?.Invoke(saved) ?? saved;
    }

    protected internal override void RequirePrompts(IEnumerable<string> prompts)
    {
        if (_label is null)
        {
            _ = FindLabels([.. prompts.Distinct(StringComparer.Ordinal)], 0);
        }
    }

    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        IReadOnlyList<int> labels = FindLabels(prompts, checked((int)frames.Batch)); // before anything is computed
        return ScoreLogits(RunStages(frames).Logits, labels);
    }
}
