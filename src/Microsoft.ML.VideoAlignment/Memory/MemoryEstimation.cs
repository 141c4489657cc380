using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Estimates the memory of a run before it begins.</summary>
public static class MemoryEstimation
{
    /// <summary>
    /// Estimates the memory of aligning a model, on the device where the model is, by running a training step of the options' algorithm on shapes alone. It
    /// takes about a second and hardly any memory; on the CPU the estimate is within about 15 % of what a run takes.
    /// </summary>
    /// <param name="model">The base model.</param>
    /// <param name="options">
    /// The options of the run. What decides most: size, frames, <see cref="MemoryOptions.Recompute"/>, and how many frames are decoded.
    /// </param>
    /// <param name="reward">
    /// The reward, whose weights and work are counted and whose kind decides how many frames are decoded; null: a reward that scores frames separately and
    /// takes no memory. What your own code and TorchScript programs take to score is not known; the estimate's table says so.
    /// </param>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every fault.</exception>
    public static MemoryEstimate EstimateMemory(this VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return EstimateOn(ComputeDevice.Describe(model.Device), model, options, reward);
    }

    /// <summary>Estimates the memory on a kind of device of which nothing else is known, wherever the model is.</summary>
    /// <param name="device">The kind of device.</param>
    /// <param name="model">The base model.</param>
    /// <param name="options">The options of the run; on a GPU those name the precision, or it is float32.</param>
    /// <param name="reward">The reward; null: one that takes no memory.</param>
    internal static MemoryEstimate EstimateOn(DeviceType device, VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward? reward) =>
        EstimateOn(new UnknownDevice(device), model, options, reward);

    /// <summary>Estimates the memory on a device, wherever the model is.</summary>
    /// <param name="target">The device, which decides the precision where the options do not.</param>
    /// <param name="model">The base model.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="reward">The reward; null: one that takes no memory.</param>
    internal static MemoryEstimate EstimateOn(IComputeDevice target, VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward? reward)
    {
        DeviceType device = target.Type;
        ArgumentNullException.ThrowIfNull(options);
        options.WithImageColumn(model).ValidateFor(model);
        reward?.RequireAlive();
        VideoSize size = options.Sampling.ResolveSize(model);
        using DisposeScope scope = NewDisposeScope();
        RunPrecision precision = options.Memory.ResolvePrecision(target, model.Parts.Traits);
        using IDisposable context = RunContext.Begin(device, precision);
        VideoDiffusionModel shapes = model.ToMeta();
        using IDisposable memory = options.Memory.BeginScope();
        using var scoring = RewardShapes.Create(reward);
        using var generator = new Generator(0);
        using LoraAdapters adapters =
            LoraAdapters.Attach(shapes.Denoiser, options.Lora.TargetsFor(model.LoraVocabulary), options.Lora.Rank, options.Lora.Alpha, generator);
        using WeightStreaming? streaming = options.StreamsWeights(device) ? WeightStreaming.Begin(shapes.Denoiser) : null;
        TrainingRun run = TrainingRunFactory.Create(shapes, reward ?? scoring.Twin, options, seed: 0, ValidationRows(options), target) with
        {
            Reward = scoring.Twin,
        };
        DryRunPeaks peaks = TrainingDryRun.Run(run, options.Algorithm.Definition, adapters, device);
        long factors = adapters.Parameters.Sum(Bytes);
        long reopened = model.Parts.Conditioner.ReopenedBytes;
        long waiting = device == DeviceType.CUDA ? reward?.StoredForPrompts.Sum(Bytes) ?? 0 : 0;
        var tensors = new MemoryEstimate
        {
            Name = $"{model.Family}, {size.Frames} x {size.Height} x {size.Width}",
            Precision = precision,
            Weights = Sum(Resident(device, model, options)) - (streaming?.Bytes ?? 0),
            GenerationWeights = Sum(model.Networks.Keys) + reopened,
            Reward = (reward?.Stored.Sum(Bytes) ?? 0) - waiting,
            // The reward's text tower has left before the model's texts are encoded.
            Encoding = Sum(device == DeviceType.CUDA ? model.TextEncoders : []) + Math.Max(reopened, waiting),
            Runtime = 0,
            Factors = factors,
            Adapters = adapters.Parameters.Sum(factor => (2 * Bytes(factor)) + IAdapterOptimizer.BytesFor(factor, options.Optimizer.State))
                + (Copies(options, device) * factors),
            Sampling = peaks.Training[RunStage.Sampling],
            GradientSteps = peaks.Training[RunStage.GradientStep],
            Decode = peaks.Training[RunStage.Decoding],
            Scoring = peaks.Training[RunStage.Scoring],
            Backward = peaks.Training[RunStage.Backward],
            Validation = peaks.Validation,
            Generation = peaks.Generation,
            Uncounted = Uncounted(reward, scoring),
        };
        return tensors with { Runtime = RuntimeMemory.Estimate(device, tensors.Peak) };

        long Sum(IEnumerable<string> networks) => networks.SelectMany(name => TrainingDryRun.Stored(model.Networks[name])).Sum(Bytes);
    }

    // How many rows a table has is not known before it is read: a full batch.
    private static VideoPrompt[] ValidationRows(VideoAlignmentOptions options) => options.Validation.Data is null
        ? [.. options.Validation.Prompts]
        : [.. Enumerable.Repeat<VideoPrompt>("", options.Optimizer.BatchSize)];

    // The running mean is on the device of the factors, the best ones so far are in the CPU's memory.
    private static int Copies(VideoAlignmentOptions options, DeviceType device) =>
        (options.Optimizer.EmaDecay is null ? 0 : 1) + (options.Validation.KeepBest && device == DeviceType.CPU ? 1 : 0);

    private static string Uncounted(VideoReward? reward, RewardShapes scoring)
    {
        var notes = new List<string>();
        if (reward is null)
        {
            notes.Add("no reward was given, and none is counted");
        }

        if (scoring.OnlyWeightsKnown.Count > 0)
        {
            notes.Add($"of the reward {string.Join(", ", scoring.OnlyWeightsKnown)} only the weights are counted, what scoring takes comes on top");
        }

        if (scoring.Unknown.Count > 0)
        {
            notes.Add($"the reward {string.Join(", ", scoring.Unknown)} is code that is not known here, and what it takes comes on top");
        }

        return string.Join("; ", notes);
    }

    // Networks on the device together with the graph: not the text encoders of a GPU, nor other encoders where idle networks are offloaded.
    private static IEnumerable<string> Resident(DeviceType device, VideoDiffusionModel model, VideoAlignmentOptions options) =>
        options.OffloadsIdleNetworks(device) ? [model.Parts.Denoiser.Name, VideoDiffusionModel.DecoderName]
            : model.Networks.Keys.Except(device == DeviceType.CUDA ? model.TextEncoders : []);

    /// <summary>Counts the bytes of a tensor's numbers.</summary>
    /// <param name="tensor">Any shape.</param>
    internal static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
}
