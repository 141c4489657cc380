using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The cheapest way, in time, to train within a budget of memory, and why. Memory is that of <see cref="MemoryEstimate.Peak"/>.
/// </summary>
public sealed record MemoryPlan
{
    private MemoryPlan()
    {
    }

    /// <summary>The options to train with: those given, with the plan's <see cref="VideoAlignmentOptions.Recompute"/> and the like.</summary>
    public required VideoAlignmentOptions Options { get; init; }

    /// <summary>What they take.</summary>
    public required MemoryEstimate Estimate { get; init; }

    /// <summary>What they may take, in bytes.</summary>
    public required long BudgetBytes { get; init; }

    /// <summary>What was tried, in order: a change, and the peak in bytes with it and all before it that were kept.</summary>
    public required IReadOnlyList<MemoryPlanStep> Steps { get; init; }

    /// <summary>
    /// Tries what saves memory, first what costs least time, until the estimate fits, and takes back what is then not needed. It begins with everything kept
    /// (<see cref="ActivationRecompute.None"/>): what options say of recompute and offloading is replaced, the rest can only become smaller.
    /// </summary>
    /// <param name="model">The base model, on the device of the run.</param>
    /// <param name="options">Of the run.</param>
    /// <param name="budgetBytes">Most that the run may take.</param>
    /// <param name="reward">As of <see cref="MemoryEstimation.EstimateMemory"/>.</param>
    /// <exception cref="ArgumentException">The options are at fault; the message says how.</exception>
    /// <exception cref="InsufficientMemoryException">No plan fits; the message says the least possible, what drives it, and what would change that.</exception>
    public static MemoryPlan For(VideoDiffusionModel model, VideoAlignmentOptions options, long budgetBytes, VideoReward? reward = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(budgetBytes);
        return new MemoryPlanner(model, options, budgetBytes, reward).Find();
    }

    /// <summary>A line for each change tried, and what the peak is made of.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Memory plan for {Estimate.Name}, budget {MemoryEstimate.InMegabytes(BudgetBytes)}:\n");
        foreach (MemoryPlanStep step in Steps)
        {
            text.Append(CultureInfo.InvariantCulture, $"{step.Change,-44}{MemoryEstimate.InMegabytes(step.Bytes),12}  {step.Verdict}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"Peak {MemoryEstimate.InMegabytes(Estimate.Peak)}, of which weights {MemoryEstimate.InMegabytes(Estimate.Weights)}, in {Estimate.PeakPhase}{Estimate.Remark}.");
        return text.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => Describe();

    internal static MemoryPlan Create(VideoAlignmentOptions options, MemoryEstimate estimate, long budget, IReadOnlyList<MemoryPlanStep> steps) =>
        new() { Options = options, Estimate = estimate, BudgetBytes = budget, Steps = steps };
}

/// <summary>One thing that a <see cref="MemoryPlan"/> tried.</summary>
/// <param name="Change">The option and its value.</param>
/// <param name="Bytes">The estimated peak with it.</param>
/// <param name="Verdict">Whether it was kept.</param>
public sealed record MemoryPlanStep(string Change, long Bytes, string Verdict);
