using Microsoft.ML.VideoAlignment;

namespace ProveGradients;

/// <summary>A way to train whose gradient is proved.</summary>
internal sealed class ProofCase
{
    /// <summary>Film length of rewards that need one.</summary>
    private const int FilmFrames = 8;

    /// <summary>The shortest film that Open-Sora's times are made for.</summary>
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
        new("batch", "1", "3"),
        new("frames", "one", "all"),
        new("offload", "off", "on"),
    ];

    /// <summary>Every value, and every pair of values of two axes. <paramref name="only"/>: for an axis the values that are wanted; null: all.</summary>
    public static IReadOnlyList<ProofCase> EveryPair(IReadOnlyDictionary<string, string[]?> only) =>
        [.. Covering.Of(Axes, values => IsPossible(values) && IsWanted(values, only), (_, _) => true).Select(values => new ProofCase(values))];

    /// <summary>Every value, and every pair of values of two axes other than reward and window.</summary>
    public static IReadOnlyList<ProofCase> EveryValue() =>
        [.. Covering.Of(Axes, IsPossible, (a, b) => a is not ("reward" or "window") && b is not ("reward" or "window")).Select(values => new ProofCase(values))];

    /// <summary>The product. <paramref name="only"/>: see <see cref="EveryPair"/>.</summary>
    public static IEnumerable<ProofCase> All(IReadOnlyDictionary<string, string[]?> only) =>
        Covering.Product(Axes, values => IsPossible(values) && IsWanted(values, only)).Select(values => new ProofCase(values));

    public string this[string axis]
    {
        get
        {
            int at = Axes.ToList().FindIndex(known => known.Name == axis);
            return Axes[at].Values[_values[at]];
        }
    }

    public VideoModelFamily Family => FamilyOf(this["family"]);

    public VideoAlignmentOptions Options()
    {
        (bool film, bool openSora) = (ProofRewards.NeedsFilm(this["reward"]), Family == VideoModelFamily.OpenSora);
        return new VideoAlignmentOptions
        {
            Frames = openSora ? OpenSoraFrames : film ? FilmFrames : 3,
            Height = 8,

            // Of 8 x 8 pixels the networks' lowest level would be one pixel, and its group norms of two numbers: nearly a step function.
            Width = 16,
            InferenceSteps = 4,
            GuidanceScale = this["guidance"] == "on" ? 2 : 1,
            MinGuidanceScale = 1,
            Eta = this["eta"] == "1" ? 1 : 0,
            LoraRank = 2,
            BatchSize = this["batch"] == "3" ? 3 : 1,
            Recompute = this["recompute"] switch
            {
                "blocks" => ActivationRecompute.Blocks,
                "steps" => ActivationRecompute.Steps,
                _ => ActivationRecompute.None,
            },
            OffloadActivations = this["offload"] == "on",
            RewardFrames = this["frames"] == "one" ? RewardFrames.OneRandom : openSora && film ? RewardFrames.Spaced(FilmFrames) : RewardFrames.All,
            GradientWindow = this["window"] switch
            {
                "last" => GradientWindow.LastSteps(1),
                "last 2" => GradientWindow.LastSteps(2),
                "full" => GradientWindow.FromStep(0),
                "random" => GradientWindow.RandomStart(),
                "single" => GradientWindow.SingleStep(2),
                "drtune" => GradientWindow.DrTune([0, 2], stop: 3),
                "set" => GradientWindow.Steps(0, 2),
                "low variance" => GradientWindow.LowVariance(2),
                _ => GradientWindow.MostSensitive(2),
            },
        };
    }

    public override string ToString() => string.Join(", ", Axes.Select((axis, at) => axis.Values[_values[at]] is "off" or "on" or "blocks" or "steps" or "0" or "1" or "3" or "one" or "all" ? $"{axis.Name} {axis.Values[_values[at]]}" : axis.Values[_values[at]]));

    public static VideoModelFamily FamilyOf(string name) => name switch
    {
        "modelscope" => VideoModelFamily.ModelScope,
        "videocrafter" => VideoModelFamily.VideoCrafter,
        "opensora" => VideoModelFamily.OpenSora,
        _ => VideoModelFamily.StableVideoDiffusion,
    };

    private static bool IsWanted(int[] values, IReadOnlyDictionary<string, string[]?> only) =>
        Axes.Index().All(axis => values[axis.Index] < 0 || only[axis.Item.Name] is not { } wanted || wanted.Contains(axis.Item.Values[values[axis.Index]]));

    /// <summary>
    /// Noise within the run, and copies of the last step, are only known to the samplers of two families; a film is scored whole; what is not recomputed is not
    /// offloaded.
    /// </summary>
    private static bool IsPossible(int[] values)
    {
        string Value(int axis) => values[axis] < 0 ? "" : Axes[axis].Values[values[axis]];
        return !((Value(4) == "1" || Value(2) == "low variance") && Value(0) is ("opensora" or "svd")) && !(Value(7) == "one" && ProofRewards.NeedsFilm(Value(1)))
            && !(Value(8) == "on" && Value(5) == "off");
    }
}
