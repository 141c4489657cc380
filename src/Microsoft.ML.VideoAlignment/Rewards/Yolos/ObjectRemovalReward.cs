using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.Yolos;

/// <summary>
/// One minus how sure a YOLOS detector is of an object, per frame: VADER's object removal (train_t2v_lora.py of commit adaf2ef, with the mean over images
/// instead of a sum that an image without the object sets back to 0). Of the queries whose best class, "no object" left out, is the wanted one and whose
/// probability, "no object" included, is above the threshold, the probabilities are averaged.
/// </summary>
/// <remarks>Which queries count is a choice without slope; an image with none scores 1 and has a gradient of zero.</remarks>
internal sealed class ObjectRemovalReward : ImageReward
{
    public const string Kind = "ObjectRemoval";
    public const string DetectorRole = "detector";

    private readonly YolosNetwork _network;
    private readonly ObjectRemovalOptions _options;
    private readonly string _folder;
    private readonly string _label;
    private readonly int _class;
    private readonly Func<SavedReward, SavedReward>? _embed;

    private ObjectRemovalReward(
        YolosNetwork network, string folder, string label, int classId, ObjectRemovalOptions options, Func<SavedReward, SavedReward>? embed)
    {
        (_network, _folder, _label, _class, _options, _embed) = (network, folder, label, classId, options, embed);
        Contract = new RewardContract
        {
            Resizing = $"height {options.Height}, width in proportion, bilinear without antialias",
            ScoreRange = (0, 1),
            GradientMayVanish = true,
        };
    }

    public override string Name => $"no {_label}";

    public override RewardContract Contract { get; }

    /// <summary>The reward in the catalog.</summary>
    public static RewardDefinition Definition { get; } = RewardDefinition.Create(
        Kind,
        static saved =>
        {
            ObjectRemovalSettings settings = ReadSettings(saved);
            return FromFolder(saved.GetFile(DetectorRole), settings.Label, settings.Options, Placement.OnCpu(settings.Options.Precision));
        }) with
    { Upgrade = ObjectRemovalSettings.Upgrade };

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <summary>Reads a detector.</summary>
    /// <param name="folder">The detector's.</param>
    /// <param name="label">What is to vanish.</param>
    /// <param name="options">How it is looked for.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="embed">Turns what a model file says into the name of a model that ships with a package; null: the folder names it.</param>
    public static ObjectRemovalReward FromFolder(
        string folder, string label, ObjectRemovalOptions options, Placement placement, Func<SavedReward, SavedReward>? embed = null)
    {
        options.Validate();
        YolosNetwork network = YolosNetwork.FromFolder(folder, placement);
        try
        {
            if (options.Height < network.Config.PatchSize)
            {
                throw new ArgumentException(
                    $"{nameof(ObjectRemovalOptions.Height)} {options.Height} is less than one patch of the detector, {network.Config.PatchSize} pixels.",
                    nameof(options));
            }

            return new ObjectRemovalReward(network, folder, label, network.Config.Labels.Require(label, nameof(label)), options, embed);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a saved reward is made with, besides its detector.</summary>
    /// <param name="saved">The reward.</param>
    /// <exception cref="InvalidDataException">The settings have another form.</exception>
    public static ObjectRemovalSettings ReadSettings(SavedReward saved) => saved.GetSettings(ObjectRemovalSettingsJson.Default.ObjectRemovalSettings);

    /// <summary>Runs the detector and returns every station.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <returns>
    /// Fresh tensors of N = B*T images, row b * T + t is frame t of video b: the images; the detector's output; how many detections count, int64 [N]; the mean
    /// of their probabilities, or 0, [N].
    /// </returns>
    public (Tensor Images, YolosOutput Output, Tensor Count, Tensor Confidence) RunStages(PreprocessedFrames frames)
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

    /// <summary>A weight, for tests.</summary>
    /// <param name="key">Its name in the file.</param>
    internal Tensor Weight(string key) => _network.get_parameter(YolosNetwork.Keys.MapName(key)!)!;

    protected internal override IEnumerable<nn.Module> Networks => [_network];

    protected internal override VideoReward ToMeta() =>
        new ObjectRemovalReward(new YolosNetwork(_network.Config, Placement.MetaLike(_network)), _folder, _label, _class, _options, _embed);

    protected internal override SavedReward Save()
    {
        var saved = SavedReward.Create(
            Kind, new ObjectRemovalSettings(_label, _options), ObjectRemovalSettingsJson.Default.ObjectRemovalSettings, (DetectorRole, _folder));
        return _embed?.Invoke(saved) ?? saved;
    }

    protected override Tensor ImageScores(PreprocessedFrames frames, IReadOnlyList<string> prompts) => RunStages(frames).Confidence.SubtractedFrom(1);

    private FramePreprocessing Preprocessing(long height, long width)
    {
        long proportional = _options.Height * width / height;
        return proportional >= _network.Config.PatchSize
            ? FramePreprocessing.ForImageNet(_options.Height, checked((int)proportional)) with { Antialias = false }
            : throw new RewardContractException($"Reward '{Name}' brings frames of {height} x {width} to {_options.Height} x {proportional} pixels, " +
                $"narrower than one patch of its detector ({_network.Config.PatchSize}). Use a larger {nameof(ObjectRemovalOptions.Height)} or wider frames.");
    }
}
