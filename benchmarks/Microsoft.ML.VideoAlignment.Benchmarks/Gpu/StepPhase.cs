using System.Globalization;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// One VADER step of a family at its preset, of one video, with random weights of the published size in the type that is computed in, and with image towers
/// of its rewards' sizes: seconds, peak memory beside the estimate, operations.
/// </summary>
internal static class StepPhase
{
    // A step that takes longer is not repeated: what warming up adds is little beside it.
    private const double Long = 8;

    private static readonly Dictionary<string, (string Name, VideoAlignmentOptions Options)> s_presets = new(StringComparer.Ordinal)
    {
        ["modelscope"] = (nameof(VideoAlignmentPresets.VaderModelScopeAesthetic), VideoAlignmentPresets.VaderModelScopeAesthetic),
        ["videocrafter"] = (nameof(VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic), VideoAlignmentPresets.VaderVideoCrafterHpsAesthetic),
        ["opensora"] = (nameof(VideoAlignmentPresets.VaderOpenSoraHps), VideoAlignmentPresets.VaderOpenSoraHps),
        ["svd"] = (nameof(VideoAlignmentPresets.VaderStableVideoAesthetic), VideoAlignmentPresets.VaderStableVideoAesthetic),
    };

    /// <summary>Runs the step with blocks recomputed and with everything kept.</summary>
    /// <param name="family">One of <see cref="FamilyModels.Names"/>.</param>
    /// <param name="precision">What weights are stored and computed in.</param>
    /// <param name="tiny">Whether the model and its videos are as small as they can be, and not of the preset's size.</param>
    /// <param name="report">Receives each comparison.</param>
    public static void Run(string family, ComputePrecision precision, bool tiny, Action<CheckRow> report)
    {
        long? resident = PeakMemory.Start();
        WeightPrecision stored = precision switch
        {
            ComputePrecision.BFloat16 => WeightPrecision.BFloat16,
            ComputePrecision.Float16 => WeightPrecision.Float16,
            _ => WeightPrecision.Float32,
        };
        Placement placement = Placement.OnCpu(stored) with { Device = BenchmarkDevice.Current };
        using VideoDiffusionModel model = FamilyModels.OnDevice(family, tiny ? UntrainedSize.Tiny : UntrainedSize.Full, stored);
        using VideoReward reward = Reward(family, tiny, placement);
        (string name, VideoAlignmentOptions preset) = s_presets[family];
        double peak = MatmulPeak.Measure(placement.Dtype, BenchmarkDevice.Current.type == DeviceType.CPU ? 256 : 8192);
        foreach (ActivationRecompute recompute in new[] { ActivationRecompute.Blocks, ActivationRecompute.None })
        {
            VideoAlignmentOptions options = preset with
            {
                Sampling = tiny ? Shortened(preset.Sampling, family) : preset.Sampling,
                Optimizer = preset.Optimizer with { Steps = 1, AccumulationSteps = 1 },
                Memory = preset.Memory with { Recompute = recompute, Precision = precision },
            };
            string way = recompute == ActivationRecompute.None ? "all kept" : "blocks recomputed";
            report(Measure($"{name}, {precision}, {way}", model, reward, options, resident, peak));
        }
    }

    private static CheckRow Measure(
        string name, VideoDiffusionModel model, VideoReward reward, VideoAlignmentOptions options, long? resident, double peakGigaflops)
    {
        MemoryEstimate estimate = MemoryEstimation.EstimateOn(BenchmarkDevice.Current.type, model, options, reward);
        var figures = new Dictionary<string, double> { ["estimate GB"] = estimate.Peak / 1e9 };
        IComputeDevice device = ComputeDevice.Describe(BenchmarkDevice.Current);
        if (device.ReadMemory() is { } memory && estimate.Peak > memory.TotalBytes)
        {
            string reason = string.Create(CultureInfo.InvariantCulture, $"estimated to take {estimate.Peak / 1e9:0.0} of {memory.TotalBytes / 1e9:0.0} GB");
            return new CheckRow(name, CheckVerdict.Skipped, reason, figures);
        }

        VideoSize size = options.Sampling.ResolveSize(model);
        VideoPrompt prompt = new("a prompt") { Image = model.Images == ImageUse.Required ? () => ones(3, size.Height, size.Width) * 0.5 : null };
        var run = new AlignmentRun(model, reward, options, Seed: 1, [prompt], ValidationPrompts: [], Path.GetTempPath());
        VideoAlignmentProgress? step = null;
        long operations = 0;
        void Train() => run.Train(done => step = done, _ => { });
        double seconds = Compare.Seconds(() => operations = FlopCounter.Count(Train));
        seconds = seconds > Long ? seconds : Compare.Seconds(Train);
        figures["seconds"] = seconds;
        figures["TFLOP"] = operations / 1e12;
        figures["TFLOP/s"] = operations / seconds / 1e12;
        figures["share of matmul"] = operations / seconds / 1e9 / peakGigaflops;
        long? taken = device.ReadMemory()?.UsedBytes ?? PeakMemory.Since(resident);
        if (taken is { } bytes)
        {
            figures["peak GB"] = bytes / 1e9;
        }

        bool learned = step is { Skipped: false } && double.IsFinite(step.Loss) && double.IsFinite(step.GradientNorm) && step.GradientNorm > 0;
        string note = string.Create(CultureInfo.InvariantCulture, $"loss {step?.Loss:g4}, gradient norm {step?.GradientNorm:g4}");
        return new CheckRow(name, learned ? CheckVerdict.Passed : CheckVerdict.Failed, note, figures);
    }

    private static VideoSamplingOptions Shortened(VideoSamplingOptions sampling, string family) =>
        sampling with { Frames = family == "opensora" ? 17 : 4, Height = 32, Width = 32, Steps = 4 };

    private static VideoReward Reward(string family, bool tiny, Placement placement)
    {
        if (tiny)
        {
            return TowerReward.Make(
                "tower",
                new ClipVisionConfig
                {
                    HiddenSize = 32,
                    IntermediateSize = 64,
                    NumHiddenLayers = 1,
                    NumAttentionHeads = 2,
                    PatchSize = 56,
                    ImageSize = 224,
                    ProjectionDim = 16,
                },
                placement);
        }

        return family switch
        {
            "videocrafter" => (0.075f * TowerReward.AestheticLarge(placement)) + (0.5f * TowerReward.PreferenceHuge(placement)),
            "opensora" => TowerReward.PreferenceHuge(placement),
            _ => TowerReward.AestheticLarge(placement),
        };
    }
}
