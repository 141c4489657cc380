using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The memory that a training run would take, in bytes, found by running one training step of its algorithm on shapes without numbers.</summary>
public sealed record MemoryEstimate
{
    /// <summary>The model and the size of its videos, such as "ModelScope, 16 x 256 x 256" (frames, height, width).</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Frozen weights of the model's networks that stay: without encoders that are freed once the prompts are encoded, on a GPU all that read texts.
    /// </summary>
    public required long Weights { get; init; }

    /// <summary>
    /// Weights of the reward's networks; on a GPU without those that read prompts alone (<see cref="VideoReward.PreparePrompts"/>). 0 without a reward, and for
    /// the caller's own code.
    /// </summary>
    public required long Reward { get; init; }

    /// <summary>
    /// Most weights of model and reward that are there only while prompts are encoded, before the first step: on a GPU what waits in the CPU's memory
    /// afterwards, and on any device a text encoder that is opened and closed again (T5), by which time the reward's has left.
    /// </summary>
    public required long Encoding { get; init; }

    /// <summary>
    /// LoRA factors, their gradients and AdamW's two moments: 16 bytes a number, or 10.03 with moments in 8 bits; 4 more each for a running mean
    /// (<see cref="OptimizerOptions.EmaDecay"/>) and, on the CPU, for the best so far (<see cref="ValidationOptions.KeepBest"/>).
    /// </summary>
    public required long Adapters { get; init; }

    /// <summary>
    /// What the process takes besides tensors: pages of libtorch's and .NET's code that a run touches, compiled methods, managed garbage of a step, and small
    /// blocks that glibc keeps. On a GPU CUDA's context, the workspaces of its libraries, and what the allocator loses between blocks.
    /// </summary>
    /// <remarks>
    /// On the CPU one figure for all models, measured on Linux x64. On a GPU an assumption: 600 MB, and 5 % of the tensors.
    /// </remarks>
    public required long Runtime { get; init; }

    /// <summary>The part of <see cref="Adapters"/> that the factors take: 4 bytes a number.</summary>
    internal long Factors { get; init; }

    /// <summary>Frozen weights of all the model's networks, which generation needs.</summary>
    internal long GenerationWeights { get; init; }

    /// <summary>
    /// Peak of the denoising steps without gradient, including the weights with merged adapters and what DDPO or Diffusion-DPO has gathered of a rollout.
    /// </summary>
    public required long Sampling { get; init; }

    /// <summary>Peak of the gradient steps: what is kept for the backward pass, the running block, and a rollout as in <see cref="Sampling"/>.</summary>
    public required long GradientSteps { get; init; }

    /// <summary>Peak while the frames for the reward are decoded, including the gradient steps' graph or the rollout.</summary>
    public required long Decode { get; init; }

    /// <summary>Peak while those frames are scored, including what <see cref="Decode"/> left.</summary>
    public required long Scoring { get; init; }

    /// <summary>Peak of the backward pass: the graph, and the running block.</summary>
    public required long Backward { get; init; }

    /// <summary>Peak while validation videos are generated and scored; 0: there are none.</summary>
    public required long Validation { get; init; }

    /// <summary>Peak of generating one video, which has no graph and is decoded part by part.</summary>
    public required long Generation { get; init; }

    /// <summary>What each part of the run computes in.</summary>
    internal RunPrecision Precision { get; init; } = RunPrecision.Float32;

    /// <summary>What the figures leave out, as part of a sentence; empty: nothing that is known.</summary>
    internal string Uncounted { get; init; } = "";

    /// <summary>The peak of a training run: what is alive together at its worst moment.</summary>
    public long Peak => Weights + Reward + Adapters + Runtime + Phases.Max(phase => phase.Bytes);

    /// <summary>The peak of generating one video with a fitted transformer.</summary>
    public long GenerationPeak => GenerationWeights + Factors + Runtime + Generation;

    /// <summary>The phase of a training run in which the peak is, in words.</summary>
    public string PeakPhase => Phases.MaxBy(phase => phase.Bytes).Name;

    private (string Name, long Bytes)[] Phases =>
    [
        ("encoding the prompts", Encoding), ("denoising without gradient", Sampling), ("gradient steps", GradientSteps),
        ("decoding for the reward", Decode), ("scoring", Scoring), ("the backward pass", Backward), ("validation", Validation),
    ];

    /// <summary>The parts whose sum is <see cref="Peak"/>.</summary>
    internal IReadOnlyList<(string Name, long Bytes)> PeakParts =>
    [
        ("the frozen weights", Weights), ("the reward's weights", Reward), ("LoRA and its optimizer", Adapters), ("the runtime", Runtime),
        (PeakPhase, Phases.Max(phase => phase.Bytes)),
    ];

    /// <summary>Formats the estimate as a table with a line for each part, and names the phase of the peak.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        Line("frozen weights", Weights);
        Line("the reward's weights", Reward);
        Line("LoRA: factors, gradients, AdamW", Adapters);
        Line("runtime, besides tensors", Runtime);
        foreach ((string name, long bytes) in Phases)
        {
            Line(name, bytes);
        }

        Line("generating a video", Generation);
        Line("peak of generating a video", GenerationPeak);
        Line("peak of a training run", Peak);
        text.Append(CultureInfo.InvariantCulture, $"{Name}{InPrecision}: the peak is in {PeakPhase}{Remark}.");
        return text.ToString();

        void Line(string name, long bytes) => text.Append(CultureInfo.InvariantCulture, $"{name,-34}{InMegabytes(bytes),12}").Append('\n');
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    /// <summary>What is computed in, ready for the middle of a sentence; empty: float32 everywhere.</summary>
    internal string InPrecision => Precision == RunPrecision.Float32 ? "" : $" in {Precision}";

    /// <summary><see cref="Uncounted"/>, ready for the end of a sentence; empty: nothing.</summary>
    internal string Remark => Uncounted.Length > 0 ? $"; {Uncounted}" : "";

    internal static string InMegabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N0} MB");
}
