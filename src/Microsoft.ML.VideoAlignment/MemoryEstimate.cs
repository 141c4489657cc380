using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// What a training run would take, in bytes, found by running one training step on shapes without numbers. Besides it a process needs the runtime's own 100 to
/// 200 MB, and the reward its networks, which are not counted.
/// </summary>
public sealed record MemoryEstimate
{
    /// <summary>The model, such as "ModelScope, 16 x 256 x 256".</summary>
    public required string Name { get; init; }

    /// <summary>Frozen weights of the model's networks. Encoders that are freed after the prompts are encoded (T5) are not among them.</summary>
    public required long Weights { get; init; }

    /// <summary>LoRA factors, their gradients and AdamW's two moments: 16 bytes a number, or with moments in 8 bits 10.03.</summary>
    public required long Adapters { get; init; }

    /// <summary>Of <see cref="Adapters"/> what the factors alone take: 4 bytes a number.</summary>
    internal long Factors { get; init; }

    /// <summary>Most that denoising steps without gradient hold, adapted weights with the adapters merged into them included.</summary>
    public required long Sampling { get; init; }

    /// <summary>Most that is held in the graded steps: what is kept for the backward pass, and the block under way.</summary>
    public required long GradedSteps { get; init; }

    /// <summary>Most that is held while the frames for the reward are decoded, the graded steps' graph included.</summary>
    public required long Decode { get; init; }

    /// <summary>Most that is held in the backward pass: the graph, and the block under way.</summary>
    public required long Backward { get; init; }

    /// <summary>Most that decoding a finished video holds, which has no graph and goes part by part.</summary>
    public required long Generation { get; init; }

    /// <summary>What is alive together at the worst moment of a training step, the reward aside.</summary>
    public long Peak => Weights + Adapters + Phases.Max(phase => phase.Bytes);

    /// <summary>What is alive together at the worst moment of generating one video with a fitted transformer.</summary>
    public long GenerationPeak => Weights + Factors + Math.Max(Sampling, Generation);

    /// <summary>What a training step is doing at its worst moment.</summary>
    public string PeakPhase => Phases.MaxBy(phase => phase.Bytes).Name;

    private (string Name, long Bytes)[] Phases =>
        [("denoising without gradient", Sampling), ("graded steps", GradedSteps), ("decoding for the reward", Decode), ("the backward pass", Backward)];

    /// <summary>A table with a line for each part, and which of them makes the peak.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        Line("frozen weights", Weights);
        Line("LoRA: factors, gradients, AdamW", Adapters);
        foreach ((string name, long bytes) in Phases)
        {
            Line(name, bytes);
        }

        Line("decoding a finished video", Generation);
        Line("peak of generating a video", GenerationPeak);
        Line("peak of a training step", Peak);
        text.Append(CultureInfo.InvariantCulture, $"{Name}: the peak is in {PeakPhase}; the reward's networks come on top.");
        return text.ToString();

        void Line(string name, long bytes) => text.Append(CultureInfo.InvariantCulture, $"{name,-34}{InMegabytes(bytes),12}").Append('\n');
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    internal static string InMegabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N0} MB");
}
