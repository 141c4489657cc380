using Microsoft.ML.VideoAlignment;

namespace ProveGradients;

/// <summary>A way to train whose gradient is proved.</summary>
internal sealed class ProofCase
{
    // The frames of a video for rewards that need several.
    private const int VideoFrames = 8;

    // The shortest video that Open-Sora's compression in time is made for.
    private const int OpenSoraFrames = 17;

    private readonly int[] _values;

    private ProofCase(int[] values) => _values = values;

    /// <summary>What varies.</summary>
    public static IReadOnlyList<Axis> Axes { get; } =
    [
        new("family", "modelscope", "videocrafter", "opensora", "svd"),
        new("reward", [.. ProofRewards.Names]),
        new("window", "last", "last 2", "full", "random", "single", "drtune", "set", "sensitive", "low variance"),
        new("guidance", "off", "on"),
        new("eta", "0", "1"),
        new("recompute", "off", "blocks", "steps"),
        new("batch", "1", "2"),
        new("frames", "one", "all"),
        new("offload", "off", "on"),
        new("base-distance", "off", "on"),
        new("accumulation", "1", "2"),
        new("decode", "whole", "frame by frame"),
        new("copies", "1", "2", "3"),
        new("segments", "1", "2", "2 carried"),
    ];

    // What each takes a share of the gradient: a share that is forgotten shows where they meet.
    private static readonly string[] s_shares = ["base-distance", "accumulation", "decode", "copies"];

    /// <summary>Chooses cases with every value, every pair of values of two axes, and every combination of what takes shares.</summary>
    /// <param name="only">For each axis' name the values that are wanted; null: all.</param>
    public static IReadOnlyList<ProofCase> EveryPair(IReadOnlyDictionary<string, string[]?> only) =>
        [.. Covering.Choose(Axes, values => IsPossible(values) && IsWanted(values, only), (_, _) => true, s_shares).Select(values => new ProofCase(values))];

    /// <summary>
    /// Chooses cases with every value, every combination of what takes shares, and every pair of values of axes other than reward and
    /// window.
    /// </summary>
    public static IReadOnlyList<ProofCase> EveryValue()
    {
        static bool Paired(string axis) => axis is not ("reward" or "window");
        return [.. Covering.Choose(Axes, IsPossible, (a, b) => Paired(a) && Paired(b), s_shares).Select(values => new ProofCase(values))];
    }

    /// <summary>Lists the whole product.</summary>
    /// <param name="only">For each axis' name the values that are wanted; null: all.</param>
    public static IEnumerable<ProofCase> All(IReadOnlyDictionary<string, string[]?> only) =>
        Covering.Product(Axes, values => IsPossible(values) && IsWanted(values, only)).Select(values => new ProofCase(values));

    /// <summary>Gets the value of an axis.</summary>
    /// <param name="axis">Its name.</param>
    public string this[string axis]
    {
        get
        {
            int at = Axes.ToList().FindIndex(known => known.Name == axis);
            return Axes[at].Values[_values[at]];
        }
    }

    /// <summary>The model's family.</summary>
    public string Family => FamilyOf(this["family"]);

    /// <summary>Makes the options of a run of this case.</summary>
    public VideoAlignmentOptions Options()
    {
        (bool video, bool openSora, bool segments) = (ProofRewards.NeedsVideo(this["reward"]), Family == VideoModelFamily.OpenSora, this["segments"] != "1");
        return new VideoAlignmentOptions
        {
            Sampling = new()
            {
                Frames = openSora ? OpenSoraFrames : video ? VideoFrames : 3,
                Height = 8,

                // Of 8 x 8 pixels the networks' lowest level would be one pixel, and its group norms of two numbers: nearly a step function.
                Width = 16,
                Steps = 4,
                GuidanceScale = this["guidance"] == "on" ? 2 : 1,
                MinGuidanceScale = 1,
                Eta = this["eta"] == "1" ? 1 : 0,
                SegmentCount = segments ? 2 : 1,
                ImageColumnName = segments ? "Image" : null,
            },
            Lora = new() { Rank = 2 },
            Optimizer = new() { BatchSize = this["batch"] == "2" ? 2 : 1, AccumulationSteps = this["accumulation"] == "2" ? 2 : 1 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new()
            {
                Window = Window(),
                CarryGradientAcrossSegments = this["segments"] == "2 carried",
                KlWeight = this["base-distance"] == "on" ? 0.7 : 0,
            }),
            Reward = new()
            {
                Frames = this["frames"] == "one" ? RewardFrames.OneRandom
                    : video && (openSora || segments) ? RewardFrames.Spaced(VideoFrames)
                    : RewardFrames.All,
            },
            Memory = new()
            {
                Recompute = this["recompute"] switch
                {
                    "blocks" => ActivationRecompute.Blocks,
                    "steps" => ActivationRecompute.Steps,
                    _ => ActivationRecompute.None,
                },
                OffloadActivations = this["offload"] == "on",
                FramesPerDecode = this["decode"] == "whole" ? null : 1,
            },
        };
    }

    private GradientWindow Window() => this["window"] switch
    {
        "last" => GradientWindow.LastSteps(1),
        "last 2" => GradientWindow.LastSteps(2),
        "full" => GradientWindow.FromStep(0),
        "random" => GradientWindow.RandomStart(),
        "single" => GradientWindow.SingleStep(2),
        "drtune" => GradientWindow.DrTune([0, 2], stop: 3),
        "set" => GradientWindow.Steps(0, 2),
        "low variance" => GradientWindow.LowVariance(this["copies"] == "3" ? 3 : 2),
        _ => GradientWindow.MostSensitive(2),
    };

    public override string ToString() => string.Join(", ", Axes.Select((axis, at) =>
        axis.Name is "family" or "reward" or "window" ? axis.Values[_values[at]] : $"{axis.Name} {axis.Values[_values[at]]}"));

    /// <summary>Finds a family.</summary>
    /// <param name="name">Its value on the axis.</param>
    public static string FamilyOf(string name) => name switch
    {
        "modelscope" => VideoModelFamily.ModelScope,
        "videocrafter" => VideoModelFamily.VideoCrafter,
        "opensora" => VideoModelFamily.OpenSora,
        _ => VideoModelFamily.StableVideoDiffusion,
    };

    private static bool IsWanted(int[] values, IReadOnlyDictionary<string, string[]?> only) =>
        Axes.Index().All(axis => values[axis.Index] < 0 || only[axis.Item.Name] is not { } wanted || wanted.Contains(axis.Item.Values[values[axis.Index]]));

    /// <summary>
    /// Noise within the run, and copies of the last step, are only known to the samplers of two families, and segments to the models of the other two; a video
    /// is scored whole; what is not recomputed is not offloaded; one frame is one part; segments have neither copies nor a distance from the base model.
    /// </summary>
    private static bool IsPossible(int[] values)
    {
        string Value(int axis) => values[axis] < 0 ? "" : Axes[axis].Values[values[axis]];
        (string family, string window, string distance, string copies, string segments) = (Value(0), Value(2), Value(9), Value(12), Value(13));
        bool chains = segments is "2" or "2 carried", noise = Value(4) == "1" || window == "low variance" || copies is "2" or "3";
        return !(noise && family is ("opensora" or "svd"))
            && !(Value(7) == "one" && (ProofRewards.NeedsVideo(Value(1)) || Value(11) == "frame by frame"))
            && !(Value(8) == "on" && Value(5) == "off")
            && !(window.Length > 0 && copies.Length > 0 && window == "low variance" != (copies != "1"))
            && !(chains && (family is ("modelscope" or "videocrafter") || noise || distance == "on"));
    }
}
