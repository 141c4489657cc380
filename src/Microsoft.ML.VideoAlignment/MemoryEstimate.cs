using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// What a training run would take, in bytes, found by running one training step of its algorithm on shapes without numbers.
/// </summary>
public sealed record MemoryEstimate
{
    /// <summary>The model, such as "ModelScope, 16 x 256 x 256".</summary>
    public required string Name { get; init; }

    /// <summary>Frozen weights of the model's networks. Encoders that are freed after the prompts are encoded (T5) are not among them.</summary>
    public required long Weights { get; init; }

    /// <summary>Weights of the reward's networks, text encoders included; 0 where no reward is known, and for code of the caller's.</summary>
    public required long Reward { get; init; }

    /// <summary>
    /// LoRA factors, their gradients and AdamW's two moments: 16 bytes a number, or with moments in 8 bits 10.03; 4 more each for a running mean
    /// (<see cref="VideoAlignmentOptions.EmaDecay"/>) and, on the CPU, for the best so far (<see cref="VideoAlignmentOptions.KeepBest"/>).
    /// </summary>
    public required long Adapters { get; init; }

    /// <summary>
    /// What the process takes besides tensors: code of libtorch and of .NET that a run touches first, compiled methods, managed garbage of a step, and what glibc keeps
    /// of small blocks. On the CPU one figure for all models, measured on Linux x64; on a GPU 0, as it lies in the CPU's memory, and CUDA's own context there,
    /// some hundred MB, is not counted.
    /// </summary>
    public required long Runtime { get; init; }

    /// <summary>Of <see cref="Adapters"/> what the factors alone take: 4 bytes a number.</summary>
    internal long Factors { get; init; }

    /// <summary>
    /// Most that denoising steps without gradient hold, adapted weights with the adapters merged into them included, and what DDPO or Diffusion-DPO has gathered
    /// of a rollout.
    /// </summary>
    public required long Sampling { get; init; }

    /// <summary>Most that is held in the gradient steps: what is kept for the backward pass, and the block under way; a rollout as in <see cref="Sampling"/>.</summary>
    public required long GradientSteps { get; init; }

    /// <summary>Most that is held while the frames for the reward are decoded, the gradient steps' graph or the rollout included.</summary>
    public required long Decode { get; init; }

    /// <summary>Most that is held while they are scored, with what <see cref="Decode"/> left.</summary>
    public required long Scoring { get; init; }

    /// <summary>Most that is held in the backward pass: the graph, and the block under way.</summary>
    public required long Backward { get; init; }

    /// <summary>Most that is held while held-out videos are generated and scored; 0 where there are none.</summary>
    public required long HeldOut { get; init; }

    /// <summary>Most that generating one video holds, which has no graph and is decoded part by part.</summary>
    public required long Generation { get; init; }

    /// <summary>What the figures leave out, as part of a sentence; empty: nothing that is known of.</summary>
    internal string Uncounted { get; init; } = "";

    /// <summary>What is alive together at the worst moment of a training run.</summary>
    public long Peak => Weights + Reward + Adapters + Runtime + Phases.Max(phase => phase.Bytes);

    /// <summary>What is alive together at the worst moment of generating one video with a fitted transformer.</summary>
    public long GenerationPeak => Weights + Factors + Runtime + Generation;

    /// <summary>What a training run is doing at its worst moment.</summary>
    public string PeakPhase => Phases.MaxBy(phase => phase.Bytes).Name;

    private (string Name, long Bytes)[] Phases =>
    [
        ("denoising without gradient", Sampling), ("gradient steps", GradientSteps), ("decoding for the reward", Decode), ("scoring", Scoring), ("the backward pass", Backward),
        ("measuring on held-out prompts", HeldOut),
    ];

    /// <summary>What <see cref="Peak"/> is the sum of.</summary>
    internal IReadOnlyList<(string Name, long Bytes)> Parts =>
        [("the frozen weights", Weights), ("the reward's weights", Reward), ("LoRA and its optimizer", Adapters), ("the runtime", Runtime), (PeakPhase, Phases.Max(phase => phase.Bytes))];

    /// <summary>A table with a line for each part, and which of them makes the peak.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        Line("frozen weights", Weights);
        Line("the reward's weights", Reward);
        Line("LoRA: factors, gradients, AdamW", Adapters);
        Line("runtime: code, managed memory", Runtime);
        foreach ((string name, long bytes) in Phases)
        {
            Line(name, bytes);
        }

        Line("generating a video", Generation);
        Line("peak of generating a video", GenerationPeak);
        Line("peak of a training run", Peak);
        text.Append(CultureInfo.InvariantCulture, $"{Name}: the peak is in {PeakPhase}{Remark}.");
        return text.ToString();

        void Line(string name, long bytes) => text.Append(CultureInfo.InvariantCulture, $"{name,-34}{InMegabytes(bytes),12}").Append('\n');
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    /// <summary>What is left out, to be put at the end of a sentence.</summary>
    internal string Remark => Uncounted.Length > 0 ? $"; {Uncounted}" : "";

    internal static string InMegabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N0} MB");
}
