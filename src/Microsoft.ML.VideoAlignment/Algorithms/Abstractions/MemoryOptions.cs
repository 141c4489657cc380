using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What training keeps in memory, in which precision, and what it computes again or moves away; only the precision changes numbers.</summary>
public sealed record MemoryOptions
{
    /// <summary>
    /// Which activations of gradient steps are recomputed in the backward pass instead of being kept; the gradient is the same.
    /// <see cref="ActivationRecompute.Blocks"/> by default, as in VADER: about a third more work there, and much less memory.
    /// </summary>
    public ActivationRecompute Recompute { get; init; } = ActivationRecompute.Blocks;

    /// <summary>
    /// Whether the inputs that recomputed blocks keep are moved to the CPU's memory until the backward pass; false by default. It needs
    /// <see cref="Recompute"/>, and has no effect on the CPU.
    /// </summary>
    public bool OffloadActivations { get; init; }

    /// <summary>
    /// Which networks compute large images band by band; <see cref="ActivationTiling.None"/> by default. The gradient is the same, up to the
    /// rounding of sums, and all frames have it.
    /// </summary>
    /// <remarks>
    /// It needs <see cref="Recompute"/>, and acts on the decoders of ModelScope, VideoCrafter and Stable Video Diffusion, and on the image decoder of
    /// Open-Sora.
    /// </remarks>
    public ActivationTiling Tiling { get; init; }

    /// <summary>
    /// Whether image encoder, decoder and reward are moved to the CPU's memory while a GPU denoises; false by default. It has no effect for videos of several
    /// segments, for algorithms that learn from scores alone, and on the CPU.
    /// </summary>
    /// <remarks>
    /// Text encoders of model and reward wait there in any case while a GPU trains: every prompt is encoded before the first step.
    /// </remarks>
    public bool OffloadIdleNetworks { get; init; }

    /// <summary>
    /// Whether the denoiser's frozen weights wait in pinned memory of the CPU while a GPU trains; false by default. Each is copied to the GPU beside the
    /// kernels of the layers before its own, and a sixth of them is there at a time.
    /// </summary>
    /// <remarks>
    /// Numbers change by rounding at most. A gradient step copies each weight twice or three times, every other step once. Where the CUDA runtime's library is
    /// not found, or the GPU is not the thread's current one, copies run between the kernels and not beside them. A fitted transformer generates with all
    /// weights on the GPU. It has no effect on the CPU.
    /// </remarks>
    public bool StreamWeights { get; init; }

    /// <summary>
    /// What the denoiser computes in; null (default): <see cref="ComputePrecision.BFloat16"/> on a GPU that computes it natively (compute capability 8.0 or
    /// more), else <see cref="ComputePrecision.Float32"/>. It is decided when the run begins, and the log says what it is.
    /// </summary>
    /// <remarks>
    /// On older GPUs <see cref="ComputePrecision.Float16"/> can be chosen, which takes half the memory as well.
    /// A network that is loaded in the same precision (<see cref="VideoModelOptions.Precision"/>) is not converted at each use. CPUs without instructions for
    /// half numbers compute in them hundreds of times more slowly.
    /// </remarks>
    public ComputePrecision? Precision { get; init; }

    /// <summary>
    /// What the decoder computes in; null (default): as <see cref="Precision"/>, and <see cref="ComputePrecision.Float32"/> instead of
    /// <see cref="ComputePrecision.Float16"/> for a Stable Video Diffusion model, whose decoder leaves that range.
    /// </summary>
    public ComputePrecision? DecoderPrecision { get; init; }

    /// <summary>
    /// What the networks of built-in rewards compute in; null (default): as <see cref="Precision"/>. Preprocessing, heads and scores are float32.
    /// </summary>
    public ComputePrecision? RewardPrecision { get; init; }

    /// <summary>
    /// Whether a GPU's float32 products and convolutions round their factors to TensorFloat-32, 10 bits of mantissa, which is several times faster; false by
    /// default. It has no effect on the CPU.
    /// </summary>
    public bool TensorFloat32 { get; init; }

    /// <summary>
    /// How many of the scored frames are decoded together with a graph, at least 1; null (default): all of them. A smaller number limits the decoder's memory
    /// to that many frames at the cost of one more decode; the gradient is the same.
    /// </summary>
    /// <remarks>For algorithms that learn from scores alone it is left null.</remarks>
    public int? FramesPerDecode { get; init; }

    /// <summary>
    /// Memory budget of training in bytes, at least 1; null (default): unlimited on the CPU, and on a GPU what is free of its memory. With a budget, <c>Fit</c>
    /// finds a <see cref="MemoryPlan"/> for the device it runs on, writes it to the log, and follows it.
    /// </summary>
    /// <remarks>
    /// The budget covers what <see cref="MemoryEstimate.Peak"/> covers: networks of model and reward, LoRA and its optimizer, activations, and the runtime.
    /// With a budget that is given <see cref="Recompute"/>, <see cref="OffloadActivations"/> and <see cref="Tiling"/> are the plan's, and <c>Fit</c> refuses
    /// what no plan fits. By the free memory of a GPU, to which the weights that lie there already are added, options that fit are left as they are, a plan
    /// changes only what changes no number, and where none fits <c>Fit</c> warns and tries the one that takes least. Where the free memory is not known,
    /// nothing is planned. What libtorch has kept from earlier work in the process counts as taken.
    /// </remarks>
    public long? Budget { get; init; }

    /// <summary>Lets networks in this flow of execution keep for the backward pass what these options say, until disposed.</summary>
    internal IDisposable BeginScope() => Tensors.Recompute.BeginScope(
        Recompute == ActivationRecompute.None ? ActivationMemory.Keep
            : OffloadActivations ? ActivationMemory.RecomputeOffloaded : ActivationMemory.Recompute,
        steps: Recompute == ActivationRecompute.Steps,
        tileBytes: Tiling == ActivationTiling.Decoder ? ImageBands.DefaultBytes : null);

    /// <summary>Decides what is left null.</summary>
    /// <param name="device">Where the run computes.</param>
    /// <param name="traits">What the model's family has in common.</param>
    internal RunPrecision ResolvePrecision(IComputeDevice device, ModelTraits traits)
    {
        ComputePrecision chosen = Precision ?? (ComputeDevice.HasBFloat16(device) ? ComputePrecision.BFloat16 : ComputePrecision.Float32);
        ComputePrecision decoder = chosen == ComputePrecision.Float16 && traits.DecoderExceedsFloat16 ? ComputePrecision.Float32 : chosen;
        return new RunPrecision(chosen, DecoderPrecision ?? decoder, RewardPrecision ?? chosen);
    }

    /// <summary>Says why a run on a GPU computes in float32 although the options leave it open, and what can be set.</summary>
    /// <param name="device">Where the run computes.</param>
    /// <returns>Sentences of this library's words alone; null: there is nothing to say.</returns>
    internal string? ExplainFloat32(IComputeDevice device)
    {
        if (Precision is not null || device.Type != DeviceType.CUDA || ComputeDevice.HasBFloat16(device))
        {
            return null;
        }

        const string Option = $"Memory.{nameof(Precision)}";
        return device.ComputeCapability is { } capability
            ? $"The GPU has compute capability {capability} and does not compute {ComputePrecision.BFloat16} natively (8.0 does): the run computes in "
                + $"{ComputePrecision.Float32}. Set {Option} to {ComputePrecision.Float16} for half the memory."
            : "The GPU's compute capability is not known, as the CUDA runtime (libcudart, cudart64) was not found or did not answer: the run computes in "
                + $"{ComputePrecision.Float32}. Set {Option} to {ComputePrecision.BFloat16} where the GPU has it (compute capability 8.0 or more).";
    }

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults("Memory");
        faults.Require(Enum.IsDefined(Recompute), Recompute, "one of the names of the enumeration");
        faults.Require(
            !OffloadActivations || Recompute != ActivationRecompute.None, OffloadActivations,
            $"false where {nameof(Recompute)} is {nameof(ActivationRecompute.None)}: only what recomputed blocks keep is offloaded");
        faults.Require(Enum.IsDefined(Tiling), Tiling, "one of the names of the enumeration");
        faults.Require(
            Tiling == ActivationTiling.None || Recompute != ActivationRecompute.None, Tiling,
            $"{nameof(ActivationTiling.None)} where {nameof(Recompute)} is {nameof(ActivationRecompute.None)}: bands are computed again in the backward pass");
        RequireDefined(Precision);
        RequireDefined(DecoderPrecision);
        RequireDefined(RewardPrecision);
        faults.Require(FramesPerDecode is null or >= 1, FramesPerDecode, "at least 1, or null");
        faults.Require(Budget is null or >= 1, Budget, "at least 1 byte, or null");
        return faults.All;

        void RequireDefined(ComputePrecision? precision, [CallerArgumentExpression(nameof(precision))] string name = "") =>
            faults.Require(precision is null || Enum.IsDefined(precision.Value), precision, "one of the names of the enumeration, or null", name);
    }
}
