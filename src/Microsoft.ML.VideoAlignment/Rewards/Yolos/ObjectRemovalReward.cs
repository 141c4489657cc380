using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>
/// One minus how sure a YOLOS detector is of an object, per frame: VADER's object removal (train_t2v_lora.py of commit adaf2ef, with the mean over images
/// instead of a sum that an image without the object sets back to 0). Of the queries whose best class, "no object" left out, is the wanted one and whose
/// probability, "no object" included, is above the threshold, the probabilities are averaged. Which queries count is a choice without slope; an image
/// with none scores 1 and has a gradient of zero.
/// </summary>
internal sealed class ObjectRemovalReward : ImageReward
{
    public const string Kind = "ObjectRemoval";
    public const string DetectorRole = "detector";
    public const string LabelArgument = "label";

    private readonly YolosNetwork _network;
    private readonly ObjectRemovalOptions _options;
    private readonly string _folder;
    private readonly string _label;
    private readonly int _class;
    private readonly Func<RewardReference, RewardReference>? _embedded;

    private ObjectRemovalReward(
        YolosNetwork network, string folder, string label, int classId, ObjectRemovalOptions options, Func<RewardReference, RewardReference>? embedded)
    {
        (_network, _folder, _label, _class, _options, _embedded) = (network, folder, label, classId, options, embedded);
        Contract = new RewardContract
        {
            Resizing = $"height {options.Height}, width in proportion, bilinear without antialias",
            ScoreRange = (0, 1),
            GradientMayVanish = true,
        };
    }

    public override string Name => $"no {_label}";

    public override RewardContract Contract { get; }

    internal override RewardReference Reference
    {
        get
        {
            var reference = new RewardReference
            {
                Kind = Kind,
                Files = new Dictionary<string, RewardReference.FileReference> { [DetectorRole] = RewardReference.FileReference.Create(_folder) },
                Arguments = new Dictionary<string, string>
                {
                    [LabelArgument] = _label,
                    ["threshold"] = _options.Threshold.ToString("R", CultureInfo.InvariantCulture),
                    ["height"] = _options.Height.ToString(CultureInfo.InvariantCulture),
                    ["precision"] = _options.Precision.ToString(),
                },
            };
            return _embedded?.Invoke(reference) ?? reference;
        }
    }

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <param name="folder">The detector's.</param>
    /// <param name="label">What is to vanish.</param>
    /// <param name="options">How it is looked for.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="embedded">What becomes of the reference of a model that ships with the library; null: it stays.</param>
    public static ObjectRemovalReward FromFolder(
        string folder, string label, ObjectRemovalOptions options, Placement placement, Func<RewardReference, RewardReference>? embedded = null)
    {
        options.Validate();
        YolosNetwork network = YolosNetwork.FromFolder(folder, placement);
        try
        {
            if (options.Height < network.Config.PatchSize)
            {
                throw new ArgumentException($"{nameof(ObjectRemovalOptions.Height)} {options.Height} is less than one patch of the detector, {network.Config.PatchSize} pixels.", nameof(options));
            }

            return new ObjectRemovalReward(network, folder, label, network.Config.Labels.Require(label, nameof(label)), options, embedded);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="FromFolder"/>
    public static ObjectRemovalReward FromReference(RewardReference reference, RewardFiles files)
    {
        ObjectRemovalOptions options = OptionsOf(reference);
        return FromFolder(files[DetectorRole], reference.Argument(LabelArgument), options, Placement.OnCpu(options.Precision));
    }

    /// <summary>The options that a reference was made with.</summary>
    public static ObjectRemovalOptions OptionsOf(RewardReference reference) => new()
    {
        Threshold = reference.Argument<double>("threshold"),
        Height = reference.Argument<int>("height"),
        Precision = reference.Choice<WeightPrecision>("precision"),
    };

    /// <summary>Every station of the reward; fresh tensors, rows are images b * T + t. Count: int64 [N]; confidence: the mean of what counts, or 0, [N].</summary>
    public (Tensor Images, YolosOutput Output, Tensor Count, Tensor Confidence) Stages(PreprocessedFrames frames)
    {
        Tensor images = frames.Images(Preprocessing(frames.Frames.shape[3], frames.Frames.shape[4]));
        YolosOutput output = _network.Run(images);
        Tensor probabilities = output.Logits.softmax(-1);
        Tensor wanted = probabilities.select(2, _class); // [N, queries]
        Tensor best = probabilities.narrow(2, 0, _network.Config.Labels.Count).argmax(2);
        Tensor kept = best.EqualTo(_class).bitwise_and(wanted.GreaterThan(_options.Threshold));
        Tensor count = kept.sum(1);

        // Dividing by at least one keeps an image without the object at 0 / 1: attached, and no NaN.
        Tensor confidence = (wanted * kept.to_type(wanted.dtype)).sum(1) / count.Clamp(least: 1).to_type(wanted.dtype);
        return (images, output, count, confidence);
    }

    /// <summary>A parameter by the network's own key; for tests.</summary>
    internal Tensor Weight(string key) => _network.get_parameter(YolosNetwork.Keys.Key(key)!)!;

    internal override IEnumerable<nn.Module> Networks => [_network];

    internal override VideoReward OnMeta() => new ObjectRemovalReward(new YolosNetwork(_network.Config, Placement.ShapesOf(_network)), _folder, _label, _class, _options, _embedded);

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _network.to(device);
    }

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => Stages(frames).Confidence.SubtractedFrom(1);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _network.Dispose();
        }

        base.Dispose(disposing);
    }

    private FramePreprocessing Preprocessing(long height, long width)
    {
        long proportional = _options.Height * width / height;
        return proportional >= _network.Config.PatchSize
            ? FramePreprocessing.ForImageNet(_options.Height, checked((int)proportional)) with { Antialias = false }
            : throw new RewardContractException($"Reward '{Name}' brings frames of {height} x {width} to {_options.Height} x {proportional} pixels, " +
                $"narrower than one patch of its detector ({_network.Config.PatchSize}). Use a larger {nameof(ObjectRemovalOptions.Height)} or wider frames.");
    }
}
