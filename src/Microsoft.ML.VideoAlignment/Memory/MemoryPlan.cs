using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The options that train within a memory budget at the least cost of time, with what was tried. Memory is that of <see cref="MemoryEstimate.Peak"/>.
/// </summary>
public sealed record MemoryPlan
{
    private MemoryPlan()
    {
    }

    /// <summary>The options to train with: those given, with the plan's <see cref="MemoryOptions.Recompute"/> and the like.</summary>
    public required VideoAlignmentOptions Options { get; init; }

    /// <summary>The estimate for <see cref="Options"/>.</summary>
    public required MemoryEstimate Estimate { get; init; }

    /// <summary>The budget, in bytes.</summary>
    public required long BudgetBytes { get; init; }

    /// <summary>What was tried, in order: a change, and the peak in bytes with it and all changes before it that were kept.</summary>
    public required IReadOnlyList<MemoryPlanStep> Steps { get; init; }

    /// <summary>
    /// Makes a plan: tries what saves memory, in order of the time it costs, until the estimate fits, and undoes what is then not needed.
    /// </summary>
    /// <remarks>
    /// <para>
    /// It begins with all activations kept (<see cref="ActivationRecompute.None"/>): the options' recompute, offloading and tiling are replaced, other figures
    /// can only become smaller.
    /// </para>
    /// <para>
    /// The order, each where it has an effect. What changes no number: <see cref="MemoryOptions.FramesPerDecode"/> halved down to 1; on a GPU
    /// <see cref="MemoryOptions.OffloadIdleNetworks"/>; <see cref="MemoryOptions.Recompute"/> of blocks; on a GPU
    /// <see cref="MemoryOptions.OffloadActivations"/>; <see cref="MemoryOptions.Tiling"/> of the decoder; on a GPU
    /// <see cref="MemoryOptions.StreamWeights"/>; <see cref="MemoryOptions.Recompute"/> of steps. What
    /// changes numbers: on a GPU half precision for what computes in float32 and whose precision is left null, first
    /// <see cref="MemoryOptions.RewardPrecision"/>, then <see cref="MemoryOptions.DecoderPrecision"/>, then <see cref="MemoryOptions.Precision"/>;
    /// <see cref="OptimizerOptions.State"/> in 8 bits.
    /// </para>
    /// </remarks>
    /// <param name="model">The base model, on the device of the run.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="budgetBytes">The most that the run may take, in bytes, above 0.</param>
    /// <param name="reward">The reward; null: one that scores frames separately and takes no memory.</param>
    /// <exception cref="ArgumentException">The options are invalid; the message lists every fault.</exception>
    /// <exception cref="InsufficientMemoryException">
    /// No plan fits; the message gives the least possible peak, its largest part, and what would lower it.
    /// </exception>
    public static MemoryPlan Create(VideoDiffusionModel model, VideoAlignmentOptions options, long budgetBytes, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.RequireRecords();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(budgetBytes);
        return new MemoryPlanner(model, options, budgetBytes, reward, ComputeDevice.Describe(model.Device)).Find();
    }

    /// <summary>Formats the plan as a line for each change tried, and a line about the peak.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture, $"Memory plan for {Estimate.Name}{Estimate.InPrecision}, budget {MemoryEstimate.InMegabytes(BudgetBytes)}:\n");
        foreach (MemoryPlanStep step in Steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"{step.Change,-44}{MemoryEstimate.InMegabytes(step.Bytes),12}  {step.Verdict}\n");
        }

        text.Append(
            CultureInfo.InvariantCulture,
            $"Peak {MemoryEstimate.InMegabytes(Estimate.Peak)}, of which weights {MemoryEstimate.InMegabytes(Estimate.Weights)}, ");
        text.Append(CultureInfo.InvariantCulture, $"in {Estimate.PeakPhase}{Estimate.Remark}.");
        return text.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    internal static MemoryPlan From(VideoAlignmentOptions options, MemoryEstimate estimate, long budget, IReadOnlyList<MemoryPlanStep> steps) =>
        new() { Options = options, Estimate = estimate, BudgetBytes = budget, Steps = steps };
}

/// <summary>One change that a <see cref="MemoryPlan"/> tried.</summary>
/// <param name="Change">The option and its value.</param>
/// <param name="Bytes">The estimated peak with it, in bytes.</param>
/// <param name="Verdict">Whether it was kept, and whether the peak fits, in words.</param>
public sealed record MemoryPlanStep(string Change, long Bytes, string Verdict);
