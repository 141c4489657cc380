using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.VideoMae;

/// <summary>
/// How sure a VideoMAE classifier is that the video shows the action its prompt asks for: VADER's action reward (actpred_scorer.py of commit adaf2ef,
/// with the softmax taken per video, so that any batch is right).
/// </summary>
internal sealed class ActionClassificationReward : VideoReward
{
    public const string Kind = "ActionClassification";
    public const string ClassifierRole = "classifier";

    private const string PromptArgument = "prompt:";

    private readonly VideoMaeNetwork _network;
    private readonly FramePreprocessing _preprocessing;
    private readonly ActionClassificationOptions _options;
    private readonly ActionPrompts _prompts;
    private readonly int? _label;
    private readonly string _folder;
    private readonly Func<RewardReference, RewardReference>? _embedded;

    private ActionClassificationReward(
        VideoMaeNetwork network, string folder, ActionClassificationOptions options, Func<RewardReference, RewardReference>? embedded)
    {
        VideoMaeConfig config = network.Config;
        (_network, _folder, _options, _embedded) = (network, folder, options, embedded);
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

    internal override RewardReference Reference
    {
        get
        {
            var arguments = new Dictionary<string, string>
            {
                ["logProbability"] = _options.LogProbability.ToString(),
                ["precision"] = _options.Precision.ToString(),
            };
            if (_options.Label is { } label)
            {
                arguments["label"] = label;
            }

            foreach ((string text, string meant) in _options.Prompts)
            {
                arguments[PromptArgument + text] = meant;
            }

            var reference = new RewardReference
            {
                Kind = Kind,
                Files = new Dictionary<string, RewardReference.FileReference> { [ClassifierRole] = RewardReference.FileReference.Create(_folder) },
                Arguments = arguments,
            };
            return _embedded?.Invoke(reference) ?? reference;
        }
    }

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <param name="folder">The classifier's.</param>
    /// <param name="options">Which label a prompt means.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="embedded">What becomes of the reference of a model that ships with the library; null: it stays.</param>
    public static ActionClassificationReward FromFolder(
        string folder, ActionClassificationOptions options, Placement placement, Func<RewardReference, RewardReference>? embedded = null)
    {
        VideoMaeNetwork network = VideoMaeNetwork.FromFolder(folder, placement);
        try
        {
            return new ActionClassificationReward(network, folder, options with { Prompts = new Dictionary<string, string>(options.Prompts, StringComparer.Ordinal) }, embedded);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="FromFolder"/>
    public static ActionClassificationReward FromReference(RewardReference reference, RewardFiles files)
    {
        ActionClassificationOptions options = OptionsOf(reference);
        return FromFolder(files[ClassifierRole], options, Placement.OnCpu(options.Precision));
    }

    /// <summary>The options that a reference was made with.</summary>
    public static ActionClassificationOptions OptionsOf(RewardReference reference) => new()
    {
        Label = reference.Arguments.GetValueOrDefault("label"),
        Prompts = reference.Arguments.Where(pair => pair.Key.StartsWith(PromptArgument, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key[PromptArgument.Length..], pair => pair.Value, StringComparer.Ordinal),
        LogProbability = reference.Argument<bool>("logProbability"),
        Precision = reference.Choice<WeightPrecision>("precision"),
    };

    /// <summary>What the network sees, [B, T, 3, S, S], and its logits [B, labels]; fresh tensors.</summary>
    public (Tensor Pixels, Tensor Logits) Stages(PreprocessedFrames frames)
    {
        Tensor pixels = frames.Images(_preprocessing).unflatten(0, [frames.Batch, frames.Count]);
        return (pixels, _network.Run(pixels).Logits);
    }

    /// <summary>logits: [B, labels] -> the scores [B] of these labels.</summary>
    public Tensor ScoresOf(Tensor logits, IReadOnlyList<int> labels)
    {
        Tensor rows = tensor([.. labels.Select(label => (long)label)], device: logits.device).unsqueeze(1);
        Tensor scores = _options.LogProbability ? logits.log_softmax(-1) : logits.softmax(-1);
        return scores.gather(1, rows).squeeze(1);
    }

    /// <summary>The label each prompt asks for.</summary>
    public IReadOnlyList<int> LabelsOf(IReadOnlyList<string> prompts, int batch) =>
        _label is { } label ? [.. Enumerable.Repeat(label, batch)] : [.. prompts.Select(prompt => _prompts.Require(prompt, Name))];

    /// <summary>A parameter by its name in the file; for tests.</summary>
    internal Tensor Weight(string key) => _network.get_parameter(VideoMaeNetwork.Keys.Key(key)!)!;

    internal override IEnumerable<nn.Module> Networks => [_network];

    internal override VideoReward OnMeta() => new ActionClassificationReward(
        new VideoMaeNetwork(_network.Config, Placement.ShapesOf(_network)), _folder, _options with { Label = _options.Label ?? _network.Config.Labels.Any }, _embedded);

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _network.to(device);
    }

    internal override void RequirePrompts(IEnumerable<string> prompts)
    {
        if (_label is null)
        {
            _ = LabelsOf([.. prompts.Distinct(StringComparer.Ordinal)], 0);
        }
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => Scores(new PreprocessedFrames(frames), prompts);

    private protected override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts) =>
        Scores(frames, prompts);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _network.Dispose();
        }

        base.Dispose(disposing);
    }

    private Tensor Scores(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        IReadOnlyList<int> labels = LabelsOf(prompts, checked((int)frames.Batch)); // before anything is computed
        return ScoresOf(Stages(frames).Logits, labels);
    }
}
