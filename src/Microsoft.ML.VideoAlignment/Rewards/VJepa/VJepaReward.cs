using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// How well V-JEPA foresees the hidden parts of a video: minus its prediction loss (VADER, section 5.1: "exactly as in its training"). Videos of several clips'
/// length are scored clip by clip, and the score is the mean.
/// </summary>
/// <remarks>
/// Masks: all videos of a call share one draw, so that a video scores alike in any batch (the reference draws for each). A call whose frames carry no
/// gradient always has draw 0 of the seed: scoring is repeatable, before and after saving. Graded calls have draws 1, 2, 3, ..., counted from the beginning
/// of a run of training, so that equal runs are equal.
/// </remarks>
internal sealed class VJepaReward : VideoReward
{
    public const string Kind = "TemporalConsistency";
    public const string FileRole = "weights";
    public const string OptionsArgument = "options";

    private const double TargetNormEps = 1e-5;

    private readonly VJepaNetwork _network;
    private readonly VJepaOptions _options;
    private readonly Func<RewardReference> _reference;
    private readonly ActivationMemory _memory;
    private Device _device;
    private ulong _gradientCalls;

    internal VJepaReward(VJepaNetwork network, VJepaOptions options, Placement placement, bool clamp, Func<RewardReference> reference)
    {
        (_network, _options, _reference, _device) = (network, options, reference, placement.Device);
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
        _memory = options.OffloadActivations ? ActivationMemory.RecomputeOffloaded : options.RecomputeActivations ? ActivationMemory.Recompute : ActivationMemory.Keep;
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

    internal override RewardReference Reference => _reference();

    /// <summary>A weight by its name in its file, such as "encoder.norm.weight"; for tests.</summary>
    internal Tensor Weight(string key) => _network.get_parameter(VJepaNetwork.Keys.Key(key)!)!;

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _network.parameters();

    /// <param name="file">The official file.</param>
    /// <param name="options">Sizes and masks.</param>
    /// <param name="placement">Where the weights go and how they are stored.</param>
    /// <param name="clamp">Whether frames are cut to [0, 1] first.</param>
    /// <param name="reference">How a model file names this reward; null: by the file.</param>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    /// <exception cref="WeightFileException">The file is no V-JEPA file, or contradicts the options.</exception>
    public static VJepaReward FromFile(string file, VJepaOptions options, Placement placement, bool clamp = true, Func<RewardReference>? reference = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(file);
        options.Validate();
        return new VJepaReward(VJepaNetwork.FromFile(file, options, placement), options, placement, clamp, reference ?? (() => new RewardReference
        {
            Kind = Kind,
            Files = new Dictionary<string, RewardReference.FileReference> { [FileRole] = RewardReference.FileReference.Create(file) },
            Arguments = new Dictionary<string, string> { [OptionsArgument] = options.ToJson() },
        }));
    }

    internal override IEnumerable<nn.Module> Networks => [_network];

    internal override VideoReward OnMeta()
    {
        Placement shapes = Placement.ShapesOf(_network);
        return new VJepaReward(new VJepaNetwork(_network.Config, shapes), _options, shapes, Preprocessing.Clamp, _reference);
    }

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _network.to(device);
        _device = device;
    }

    internal override void BeginTraining() => _gradientCalls = 0;

    internal override void SaveTraining(StateWriter state) => state.Write("gradedCalls", (long)_gradientCalls);

    internal override void LoadTraining(StateReader state) => _gradientCalls = (ulong)state.Integer("gradedCalls");

    /// <summary>One draw of the masks for one video.</summary>
    public IReadOnlyList<(Tensor Context, Tensor Predicted)> DrawMasks(ulong call)
    {
        (long frames, long rows, long columns) = _network.Config.Grid;
        using var generator = new Generator(Mixed(_options.Seed, call));
        return MultiBlockMasks.Draw(_options.Masks, ((int)frames, (int)rows, (int)columns), batch: 1, new GeneratorMaskDraws(generator));
    }

    /// <summary>clips: [B, 3, T, S, S], prepared -> what the networks made of them with the given masks ([B, K] and [B, M] each).</summary>
    public VJepaStages Stages(Tensor clips, IReadOnlyList<(Tensor Context, Tensor Predicted)> masks)
    {
        Tensor Normal(Tensor x) => Ops.LayerNorm(x, [_network.Config.Width], weight: null, bias: null, TargetNormEps);
        Tensor Target() => Normal(_network.Target.Forward(clips, memory: _memory));
        Tensor all = _options.TargetGradient ? Target() : StopGradient.Detach(Target);
        List<Tensor> context = [], predicted = [], targets = [];
        Tensor? loss = null;
        for (int i = 0; i < masks.Count; i++)
        {
            (Tensor known, Tensor wanted) = masks[i];
            context.Add(_network.Encoder.Forward(clips, known, _memory));
            predicted.Add(_network.Predictor.Forward(context[i], known, wanted, i, _memory));
            targets.Add(Tokens.Gather(all, wanted));
            Tensor one = Loss(predicted[i], targets[i]);
            loss = loss is null ? one : Ops.Add(loss, one);
        }

        return new VJepaStages(context, predicted, targets, -loss!.Div(masks.Count));
    }

    /// <summary>The prepared frames as clips: [B * clips, 3, T, S, S].</summary>
    public Tensor Clips(PreprocessedFrames frames)
    {
        Tensor images = frames.Images(Preprocessing);  // [B*clips*T, 3, S, S]
        return images.unflatten(0, [-1, _network.Config.Frames]).transpose(1, 2);
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => ScorePrepared(new PreprocessedFrames(frames), prompts, parts: null);

    private protected override Tensor ScorePrepared(PreprocessedFrames frames, IReadOnlyList<string> prompts, IDictionary<string, Tensor>? parts)
    {
        using DisposeScope scope = NewDisposeScope();
        bool withGradient = is_grad_enabled() && frames.Frames.requires_grad;
        Tensor clips = Clips(frames);
        var masks = DrawMasks(withGradient ? ++_gradientCalls : 0).Select(mask => (Spread(mask.Context), Spread(mask.Predicted))).ToList();
        return Stages(clips, masks).Score.view(frames.Batch, -1).mean([1]).MoveToOuterDisposeScope();

        Tensor Spread(Tensor mask) => mask.to(_device).expand(clips.shape[0], -1);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _network.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>mean |z - h|^e / e of each clip.</summary>
    private Tensor Loss(Tensor predicted, Tensor target)
    {
        Tensor distance = Ops.Abs(Ops.Subtract(predicted, target));
        return (_options.LossExponent == 1 ? distance : Ops.Pow(distance, _options.LossExponent)).mean([1, 2]).Div(_options.LossExponent);
    }

    /// <summary>A generator's seed has 32 bits that count; neighbors must not give neighbors (the finalizer of SplitMix64).</summary>
    private static ulong Mixed(int seed, ulong call)
    {
        ulong x = unchecked(((ulong)(uint)seed << 32) + call + 0x9E3779B97F4A7C15);
        x = unchecked((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9);
        x = unchecked((x ^ (x >> 27)) * 0x94D049BB133111EB);
        return (x ^ (x >> 31)) & uint.MaxValue;
    }
}

/// <summary>Features by mask: of the visible tokens [B, K, D], predicted and wanted for the hidden ones [B, M, D]; and the score [B].</summary>
internal sealed record VJepaStages(IReadOnlyList<Tensor> Context, IReadOnlyList<Tensor> Predicted, IReadOnlyList<Tensor> Target, Tensor Score);
