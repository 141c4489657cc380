using System.Globalization;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>
/// How well V-JEPA foresees the hidden parts of a video: minus its prediction loss (VADER, section 5.1: "exactly as in its training"). Videos of several times
/// the network's length are scored part by part, and the score is the mean.
/// </summary>
/// <remarks>
/// A video that stands still scores higher than a consistent one that moves: alignment needs something beside this reward that keeps motion.
/// The gradient is that of the score, through the predicted features and through the target alike, unless <see cref="VJepaOptions.TargetGradient"/> is false.
/// Masks: all videos of a call share one draw, so that a video scores alike in any batch (the reference draws for each). A call whose frames carry no
/// gradient always has draw 0 of the seed: scoring is repeatable, before and after saving. Calls with gradient have draws 1, 2, 3, ..., counted from the start
/// of a run of training, so that equal runs are equal.
/// </remarks>
internal sealed class VJepaReward : PreprocessingReward
{
    public const string Kind = "TemporalConsistency";
    public const string FileRole = "weights";

    private const double TargetNormEps = 1e-5;

    private readonly VJepaNetwork _network;
    private readonly VJepaOptions _options;
    private readonly Func<SavedReward> _save;
    private readonly ActivationMemory _memory;
    private ulong _gradientCalls;

    internal VJepaReward(VJepaNetwork network, VJepaOptions options, bool clamp, Func<SavedReward> save)
    {
        (_network, _options, _save) = (network, options, save);
        int size = (int)network.Config.CropSize;
        Preprocessing = new FramePreprocessing
        {
            Height = size,
            Width = size,
            Antialias = false,
            Clamp = clamp,
            Mean = FramePreprocessing.ImageNet.Mean,
            Std = FramePreprocessing.ImageNet.Std,
        };
        _memory = options.OffloadActivations ? ActivationMemory.RecomputeOffloaded
            : options.RecomputeActivations ? ActivationMemory.Recompute
            : ActivationMemory.Keep;
        Contract = new RewardContract
        {
            MinimumFrames = (int)network.Config.Frames,
            FrameMultiple = (int)network.Config.Frames,
            FramesPerSecond = options.FramesPerSecond,
            ScoresFramesSeparately = false,
            WorkingSize = (size, size),
            Resizing = Preprocessing.Describe(),

            // Targets have unit variance, so predicting nothing costs 1 / e at most; an untrained predictor may cost twice that.
            ScoreRange = (-2 / (float)options.LossExponent, 0),
        };
    }

    public override string Name => "temporal consistency";

    public override RewardContract Contract { get; }

    public FramePreprocessing Preprocessing { get; }

    /// <summary>The reward in the catalog.</summary>
    public static RewardDefinition Definition { get; } = RewardDefinition.Create(
        Kind,
        static saved =>
        {
            VJepaOptions options = VJepaOptions.Read(saved);
            return FromFile(saved.GetFile(FileRole), options, Placement.OnCpu(options.Precision));
        }) with
    { Upgrade = static old => VJepaOptions.FromJson(old.Text("options")).ToElement() };

    /// <summary>A weight, for tests.</summary>
    /// <param name="key">Its name in its file, such as "encoder.norm.weight".</param>
    internal Tensor Weight(string key) => _network.get_parameter(VJepaKeys.Map.MapName(key)!)!;

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <summary>Reads a file.</summary>
    /// <param name="file">The official file.</param>
    /// <param name="options">Sizes and masks.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    /// <param name="save">How a model file names this reward; null: by the file.</param>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    /// <exception cref="WeightFileException">The file is not a V-JEPA file, or contradicts the options.</exception>
    public static VJepaReward FromFile(string file, VJepaOptions options, Placement placement, bool clamp = true, Func<SavedReward>? save = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(file);
        options.Validate();
        return new VJepaReward(VJepaNetwork.FromFile(file, options, placement), options, clamp, save ?? (() => SavedReward.Create(
            Kind, options, VJepaOptionsJson.Default.VJepaOptions, (FileRole, file))));
    }

    protected internal override IEnumerable<nn.Module> Networks => [_network];

    protected internal override VideoReward ToMeta() =>
        new VJepaReward(new VJepaNetwork(_network.Config, Placement.MetaLike(_network)), _options, Preprocessing.Clamp, _save);

    protected internal override SavedReward Save() => _save();

    protected internal override void BeginTraining() => _gradientCalls = 0;

    protected internal override string SaveTraining() => _gradientCalls.ToString(CultureInfo.InvariantCulture);

    protected internal override void LoadTraining(string state) =>
        _gradientCalls = ulong.TryParse(state, NumberStyles.None, CultureInfo.InvariantCulture, out ulong calls)
            ? calls
            : throw new FormatException($"'{state}' is not a number of calls");

    /// <summary>Draws the masks of one video.</summary>
    /// <param name="draw">The number of the draw.</param>
    /// <returns>Context [1, K] and predicted [1, M] of each mask, int64 on the CPU.</returns>
    public IReadOnlyList<(Tensor Context, Tensor Predicted)> DrawMasks(ulong draw)
    {
        (long frames, long rows, long columns) = _network.Config.Grid;
        using var generator = new Generator(Mixed(_options.Seed, draw));
        return MultiBlockMasks.Draw(_options.Masks, ((int)frames, (int)rows, (int)columns), batch: 1, new GeneratorMaskDraws(generator));
    }

    /// <summary>Runs the networks and returns every station.</summary>
    /// <param name="clips">[B, 3, T, S, S], preprocessed, of the network's length.</param>
    /// <param name="masks">Context [B, K] and predicted [B, M] of each mask.</param>
    /// <param name="firstMask">The number of the first mask, which chooses the predictor's tokens.</param>
    public VJepaStages RunStages(Tensor clips, IReadOnlyList<(Tensor Context, Tensor Predicted)> masks, int firstMask = 0)
    {
        Tensor Normal(Tensor x) => Ops.LayerNorm(x, [_network.Config.Width], weight: null, bias: null, TargetNormEps);
        Tensor Target() => Normal(PrecisionPolicy.Run(NetworkRole.Reward, () => _network.Target.Forward(clips, memory: _memory)));
        Tensor all = _options.TargetGradient ? Target() : StopGradient.Cut(Target);
        List<Tensor> context = [], predicted = [], targets = [];
        Tensor? loss = null;
        for (int i = 0; i < masks.Count; i++)
        {
            (int mask, Tensor known, Tensor wanted) = (firstMask + i, masks[i].Context, masks[i].Predicted);
            Tensor seen = PrecisionPolicy.Run(NetworkRole.Reward, () => _network.Encoder.Forward(clips, known, _memory));
            context.Add(seen);
            predicted.Add(PrecisionPolicy.Run(NetworkRole.Reward, () => _network.Predictor.Forward(seen, known, wanted, mask, _memory)));
            targets.Add(Tokens.Gather(all, wanted));
            Tensor one = Loss(predicted[i], targets[i]);
            loss = loss is null ? one : Ops.Add(loss, one);
        }

        return new VJepaStages(context, predicted, targets, -loss!.Div(masks.Count));
    }

    /// <summary>Preprocesses frames and cuts them into parts of the network's length.</summary>
    /// <param name="frames">The frames of one call.</param>
    /// <returns>[B * parts, 3, T, S, S].</returns>
    public Tensor ToSegments(PreprocessedFrames frames)
    {
        Tensor images = frames.Images(Preprocessing);  // [B*clips*T, 3, S, S]
        return images.unflatten(0, [-1, _network.Config.Frames]).transpose(1, 2);
    }

    protected override Tensor ScoreCore(PreprocessedFrames frames, IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        bool withGradient = is_grad_enabled() && frames.Frames.requires_grad;
        Tensor clips = ToSegments(frames);
        var masks = DrawMasks(withGradient ? ++_gradientCalls : 0).Select(mask => (Spread(mask.Context), Spread(mask.Predicted))).ToList();
        return RunStages(clips, masks).Score.view(frames.Batch, -1).mean([1]).MoveToOuterDisposeScope();

        Tensor Spread(Tensor mask) => DeviceTable.Upload(mask, clips.device).expand(clips.shape[0], -1);
    }

    // mean |z - h|^e / e of each part.
    private Tensor Loss(Tensor predicted, Tensor target)
    {
        Tensor distance = Ops.Abs(Ops.Subtract(predicted, target));
        return (_options.LossExponent == 1 ? distance : Ops.Pow(distance, _options.LossExponent)).mean([1, 2]).Div(_options.LossExponent);
    }

    // A generator's seed has 32 bits that count; neighbors must not give neighbors (the finalizer of SplitMix64).
    private static ulong Mixed(int seed, ulong call)
    {
        ulong x = unchecked(((ulong)(uint)seed << 32) + call + 0x9E3779B97F4A7C15);
        x = unchecked((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9);
        x = unchecked((x ^ (x >> 27)) * 0x94D049BB133111EB);
        return (x ^ (x >> 31)) & uint.MaxValue;
    }
}

/// <summary>What V-JEPA makes of videos, one entry for each mask.</summary>
/// <param name="Context">Features of the visible tokens, [B, K, D].</param>
/// <param name="Predicted">Predicted features of the hidden tokens, [B, M, D].</param>
/// <param name="Target">What the target encoder gives for them, [B, M, D].</param>
/// <param name="Score">[B].</param>
internal sealed record VJepaStages(IReadOnlyList<Tensor> Context, IReadOnlyList<Tensor> Predicted, IReadOnlyList<Tensor> Target, Tensor Score);
