using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Compares <see cref="MemoryEstimation.EstimateMemory"/> with what a run takes: the highest resident memory of two training steps, model included, above what
/// was resident after the runtime and libtorch had started and before the model was made.
/// </summary>
/// <remarks>
/// The reward is the frames' mean. Each measurement has a process of its own, whose allocator is told to give freed blocks back (MALLOC_MMAP_THRESHOLD_), as
/// glibc otherwise keeps several hundred MB of those below 32 MB at this size.
/// </remarks>
internal static class MemoryEstimates
{
    private const int Side = 128;

    /// <summary>The first of the ways to run a gradient step.</summary>
    public const string Recomputed = "recomputed";

    private static readonly string[] s_all = FamilyModels.Names.ToArray(), s_scores = ["modelscope", "videocrafter"];

    // The last is not one of them: a model of next to no weights, whose run shows what the process takes besides tensors.
    private static readonly (string Name, string[] Families, Func<VideoAlignmentOptions, VideoAlignmentOptions> Apply)[] s_ways =
    [
        (Recomputed, s_all, options => options),
        ("kept", s_all, options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.None } }),
        ("penalty, recomputed", ["modelscope"], options => options with { Algorithm = AlignmentAlgorithm.RewardGradient(new() { KlWeight = 0.1 }) }),
        ("video of 3, recomputed", ["svd"], options => options with
        {
            Sampling = options.Sampling with { SegmentCount = 3 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { CarryGradientAcrossSegments = true }),
            Reward = options.Reward with { Frames = RewardFrames.Chosen(3, 11, 19) },
            Memory = options.Memory with { FramesPerDecode = 1 },
        }),
        ("DDPO, recomputed", s_scores, options => options with { Algorithm = AlignmentAlgorithm.Ddpo() }),
        ("DDPO, kept", ["modelscope"],
            options => options with { Memory = options.Memory with { Recompute = ActivationRecompute.None }, Algorithm = AlignmentAlgorithm.Ddpo() }),
        ("Diffusion-DPO, recomputed", s_scores, options => options with { Algorithm = AlignmentAlgorithm.DiffusionDpo() }),
        ("Diffusion-DPO, kept", ["modelscope"], options => options with
        {
            Memory = options.Memory with { Recompute = ActivationRecompute.None },
            Algorithm = AlignmentAlgorithm.DiffusionDpo(),
        }),
        (Tiny, s_all, options => options with
        {
            Sampling = options.Sampling with { Height = 32, Width = 32, Frames = options.Sampling.Frames is 34 ? 17 : 4, Steps = 10 },
            Optimizer = options.Optimizer with { Steps = 20 },
        }),
    ];

    private const string Tiny = "tiny";

    /// <summary>Prints the table.</summary>
    /// <param name="only">One family; null: all.</param>
    /// <param name="way">One way, such as "kept"; null: all.</param>
    public static void Run(string? only, string? way)
    {
        Console.WriteLine("| family | gradient steps | weights, MB | estimate, MB | measured, MB | estimate / measured | peak in |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (string family in FamilyModels.Names.Where(name => only is null || name == only))
        {
            using VideoDiffusionModel model = FamilyModels.Middle(family, filled: false);
            foreach ((string name, _, _) in s_ways.Where(row => (way is null ? row.Name != Tiny : row.Name == way) && row.Families.Contains(family)))
            {
                MemoryEstimate estimate = model.EstimateMemory(Options(family, name));
                string measured = Child(family, name);
                string ratio = Megabytes(measured) is { } megabytes ? (estimate.Peak / 1e6 / megabytes).ToString("0.00", CultureInfo.InvariantCulture) : "";
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {family} | {name} | {estimate.Weights / 1e6:0} | {estimate.Peak / 1e6:0} | {measured} | {ratio} | {estimate.PeakPhase} |"));
                Console.Error.WriteLine(estimate.Describe());
            }
        }
    }

    /// <summary>
    /// Prints what a run takes besides tensors: of a model of each family that has next to none, the measured peak less the estimated
    /// tensors.
    /// </summary>
    public static void RunRuntime()
    {
        Console.WriteLine("| family | tensors, MB | measured, MB | besides tensors, MB |");
        Console.WriteLine("|---|---|---|---|");
        foreach (string family in FamilyModels.Names)
        {
            using VideoDiffusionModel model = Model(family, Tiny);
            MemoryEstimate estimate = model.EstimateMemory(Options(family, Tiny));
            double tensors = (estimate.Peak - estimate.Runtime) / 1e6;
            string measured = Child(family, Tiny);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {family} | {tensors:0.0} | {measured} | {Megabytes(measured) - tensors:0} |"));
        }
    }

    /// <summary>The child's part: prints the megabytes.</summary>
    public static void RunAlone(string family, string way)
    {
        WarmUp();
        VideoPrompt prompt = Prompt(family);
        long? before = PeakMemory.Start();
        using VideoDiffusionModel model = Model(family, way);
        using VideoReward reward = VideoRewards.Custom("mean", (frames, _) => frames.mean([1, 2, 3, 4]));
        new AlignmentRun(model, reward, Options(family, way), Seed: 1, [prompt], ValidationPrompts: [], Path.GetTempPath()).Train(_ => { }, _ => { });
        Console.WriteLine(PeakMemory.Since(before) is { } bytes ? (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture) : "not measured on this system");
    }

    /// <summary>Prints estimates of the published sizes under the published presets on a GPU, which no machine need hold.</summary>
    public static void RunOfficial()
    {
        (string Family, string Preset, VideoAlignmentOptions Options)[] runs =
        [
            ("modelscope", nameof(VideoAlignmentPresets.VaderModelScopeAesthetic), VideoAlignmentPresets.VaderModelScopeAesthetic),
            ("videocrafter", nameof(VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic), VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic),
            ("opensora", nameof(VideoAlignmentPresets.VaderOpenSoraHps), VideoAlignmentPresets.VaderOpenSoraHps),
            ("svd", nameof(VideoAlignmentPresets.VaderStableVideoAesthetic), VideoAlignmentPresets.VaderStableVideoAesthetic),
        ];
        (WeightPrecision Stored, ComputePrecision Computed)[] precisions =
        [
            (WeightPrecision.Float32, ComputePrecision.Float32), (WeightPrecision.Float16, ComputePrecision.Float32),
            (WeightPrecision.BFloat16, ComputePrecision.BFloat16), (WeightPrecision.Int8, ComputePrecision.BFloat16),
        ];
        Console.WriteLine("| preset | frozen weights | computed in | gradient steps | weights, GB | adapters, GB | peak, GB | peak in |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach ((string family, string preset, VideoAlignmentOptions options) in runs)
        {
            foreach ((WeightPrecision stored, ComputePrecision computed) in precisions)
            {
                using VideoDiffusionModel model = FamilyModels.Official(family, stored);
                foreach ((string way, ActivationRecompute recompute, ActivationTiling tiling) in new[]
                {
                    ("tiled", ActivationRecompute.Blocks, ActivationTiling.Decoder), ("recomputed", ActivationRecompute.Blocks, ActivationTiling.None),
                    ("kept", ActivationRecompute.None, ActivationTiling.None),
                })
                {
                    MemoryOptions memory = options.Memory with { Recompute = recompute, Tiling = tiling, Precision = computed };
                    MemoryEstimate estimate = MemoryEstimation.EstimateOn(DeviceType.CUDA, model, options with { Memory = memory }, reward: null);
                    Console.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"| {preset} | {stored} | {computed} | {way} | {estimate.Weights / 1e9:0.0} | {estimate.Adapters / 1e9:0.00} | ")
                        + string.Create(CultureInfo.InvariantCulture, $"{estimate.Peak / 1e9:0.0} | {estimate.PeakPhase} |"));
                }
            }
        }
    }

    /// <summary>Makes what a family makes a video from.</summary>
    /// <param name="family">The family.</param>
    public static VideoPrompt Prompt(string family) =>
        family == "svd" ? new VideoPrompt("") { Image = () => ones(3, Side, Side) * 0.5 } : new VideoPrompt("a prompt");

    /// <summary>Makes the options of a short run at the size of these measurements.</summary>
    /// <param name="family">The family.</param>
    /// <param name="way">One of the ways to run a gradient step.</param>
    public static VideoAlignmentOptions Options(string family, string way) => s_ways.First(row => row.Name == way).Apply(Options(family, recompute: true));

    /// <summary>Makes the options of a short run at the size of these measurements.</summary>
    /// <param name="family">The family.</param>
    /// <param name="recompute">Whether blocks are recomputed.</param>
    public static VideoAlignmentOptions Options(string family, bool recompute)
    {
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Frames = 8, Height = Side, Width = Side, Steps = 2 },
            Lora = new() { Layers = LoraLayers.AttentionQkv },
            Optimizer = new() { Steps = 2 },
            Reward = new() { Frames = RewardFrames.OneRandom },
            Memory = new() { Recompute = recompute ? ActivationRecompute.Blocks : ActivationRecompute.None },
        };
        return family == "opensora" ? options with { Sampling = options.Sampling with { Frames = 34 }, Reward = options.Reward with { LatentFrames = true } }
            : options;
    }

    /// <summary>Lets libtorch allocate what it allocates once, which is not the run's.</summary>
    public static void WarmUp()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = nn.functional.conv2d(ones(1, 8, 16, 16), ones(8, 8, 3, 3));
        x.matmul(x).mean().ToDouble();
    }

    private static VideoDiffusionModel Model(string family, string way) => way == Tiny ? FamilyModels.Tiny(family) : FamilyModels.Middle(family);

    private static double? Megabytes(string printed) => double.TryParse(printed, CultureInfo.InvariantCulture, out double megabytes) ? megabytes : null;

    /// <summary>Measures a run in a process of its own.</summary>
    /// <param name="family">The family.</param>
    /// <param name="way">One of the ways to run a gradient step.</param>
    /// <returns>Megabytes, or why they could not be measured.</returns>
    public static string Child(string family, string way) => ChildOutput("--memory-of", family, way);

    /// <summary>Runs this program in a process of its own whose allocator gives freed blocks back.</summary>
    /// <param name="arguments">The command line.</param>
    /// <returns>What it prints, or its exit code where it fails.</returns>
    public static string ChildOutput(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(MemoryEstimates).Assembly.Location, .. arguments]) { RedirectStandardOutput = true };
        (start.Environment["MALLOC_MMAP_THRESHOLD_"], start.Environment["MALLOC_TRIM_THRESHOLD_"]) = ("65536", "65536");
        using Process child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd().Trim();
        child.WaitForExit();
        return child.ExitCode == 0 ? output : $"failed with code {child.ExitCode}";
    }
}
