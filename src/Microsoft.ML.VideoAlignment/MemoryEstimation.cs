using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Training;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Says before a run how much memory it will take.</summary>
public static class MemoryEstimation
{
    /// <summary>
    /// The memory of aligning <paramref name="model"/> under these options, on the device where the model is. Takes a second or so and no memory to speak of: a
    /// training step is run on shapes alone. On the CPU within about 15 % of what a run of the model's size or larger takes.
    /// </summary>
    /// <param name="model">The base model.</param>
    /// <param name="options">Of the run. What decides most: size, frames, <see cref="VideoAlignmentOptions.Recompute"/>, and how many frames are decoded.</param>
    /// <param name="reward">Whose kind decides how many frames are decoded; null: one that scores frames by themselves.</param>
    /// <exception cref="ArgumentException">The options are at fault; the message says how.</exception>
    public static MemoryEstimate EstimateMemory(this VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        VideoSize size = options.SizeFor(model);
        if (model.SizeFault(size) is { } fault)
        {
            throw new ArgumentException($"{nameof(VideoAlignmentOptions)}: {fault}", nameof(options));
        }

        using DisposeScope scope = NewDisposeScope();
        VideoDiffusionModel shapes = model.OnMeta();
        (shapes.Activations, shapes.RecomputeSteps) = (options.Activations, options.Recompute == ActivationRecompute.Steps);
        using VideoReward mean = VideoRewards.Custom("mean", (frames, _) => frames.mean([1, 2, 3, 4]));
        using var generator = new Generator(0);
        using LoraAdapters adapters = LoraAdapters.Attach(shapes.Denoiser, options.LoraTargets, options.LoraRank, options.LoraAlpha, generator);
        var run = new AlignmentRun(shapes, reward ?? mean, options, Seed: 0, Prompts: [], HeldOut: [], TemporaryFolder: "");
        IReadOnlyDictionary<MemoryPhase, long> phases = MemoryWalk.Run(shapes, adapters, mean, run.Settings(), model.Device.type == DeviceType.META ? DeviceType.CPU : model.Device.type);
        return new MemoryEstimate
        {
            Name = $"{model.Family}, {size.Frames} x {size.Height} x {size.Width}",
            Weights = Resident(model, options).SelectMany(MemoryWalk.Stored).Sum(Bytes),
            Factors = adapters.Parameters.Sum(Bytes),
            Adapters = adapters.Parameters.Sum(factor => (2 * Bytes(factor)) + IAdapterOptimiser.BytesFor(factor, options.OptimizerState)),
            Sampling = phases[MemoryPhase.Sampling],
            GradedSteps = phases[MemoryPhase.GradedStep],
            Decode = Math.Max(phases[MemoryPhase.Decode], phases[MemoryPhase.Score]),
            Backward = phases[MemoryPhase.Backward],
            Generation = phases[MemoryPhase.Generation],
        };
    }

    /// <summary>Networks on the device at once: where idle ones wait elsewhere, encoders are not beside the graph.</summary>
    private static IEnumerable<nn.Module> Resident(VideoDiffusionModel model, VideoAlignmentOptions options) =>
        options is { OffloadIdleNetworks: true, SegmentCount: 1 } && model.Device.type == DeviceType.CUDA
            ? model.Networks.Where(pair => pair.Value == model.Denoiser || pair.Key == "vae").Select(pair => pair.Value)
            : model.Networks.Values;

    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
}
