using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment;

/// <summary>How many videos an optimizer step takes, how many steps there are, and how each moves the LoRA weights (AdamW).</summary>
public sealed record OptimizerOptions
{
    private const int MostVideosPerStep = int.MaxValue / 2;

    /// <summary>AdamW's learning rate, above 0; 2e-4 by default (VADER).</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>How the learning rate changes over the run; constant by default, as in VADER.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Constant();

    /// <summary>AdamW's decoupled weight decay, at least 0; 0.01 by default (torch's default, which VADER's VideoCrafter script leaves).</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>AdamW's decay of the first moment, in [0, 1); 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment, in [0, 1); 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>AdamW's epsilon, above 0; 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The precision of AdamW's moments; float32 by default. <see cref="OptimizerState.EightBit"/> takes a quarter of their memory.</summary>
    public OptimizerState State { get; init; }

    /// <summary>The L2 norm to which the gradient over all LoRA weights is clipped, above 0; infinity switches clipping off. 1 by default (VADER).</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Videos generated together in one pass, at least 1; 1 by default (VADER).</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Passes whose mean gradient makes one optimizer step, at least 1; 1 by default. VADER's scripts use 4 to 16.</summary>
    public int AccumulationSteps { get; init; } = 1;

    /// <summary>
    /// Optimizer steps, at least 1; 100 by default (the length of the paper's comparisons). Reward queries are Steps x AccumulationSteps x BatchSize.
    /// </summary>
    public int Steps { get; init; } = 100;

    /// <summary>
    /// Decay of an exponential moving average of the LoRA weights, in [0, 1); null (default): none, as in VADER. The average is what is validated, kept and
    /// returned.
    /// </summary>
    /// <remarks>After step t the decay is at most (1 + t) / (10 + t), as in diffusers' EMAModel.</remarks>
    public double? EmaDecay { get; init; }

    /// <summary>Videos (Diffusion-DPO: pairs) of an optimizer step; of options out of range the nearest number that is one.</summary>
    internal int VideosPerStep => (int)Math.Min((long)Math.Max(BatchSize, 1) * Math.Max(AccumulationSteps, 1), MostVideosPerStep);

    /// <summary>Computes the learning rate of an optimizer step.</summary>
    /// <param name="step">The step, counted from 1.</param>
    internal double GetLearningRate(int step) => LearningRate * Schedule.GetFactor(step, Steps);

    /// <summary>Lists what is wrong with the options, one sentence each.</summary>
    internal IReadOnlyList<string> Faults()
    {
        var faults = new OptionFaults("Optimizer");
        faults.Require(LearningRate > 0 && double.IsFinite(LearningRate), LearningRate, "above 0");
        faults.Require(Schedule is not null, Schedule, "one of LearningRateSchedule's");
        faults.Require(Schedule is null || Steps < 1 || Schedule.WarmUpSteps <= Steps, Schedule?.WarmUpSteps,
            FormattableString.Invariant($"at most {nameof(Steps)}, {Steps}: with a longer warm-up the run never has its learning rate"),
            $"{nameof(Schedule)}.{nameof(LearningRateSchedule.WarmUpSteps)}");
        faults.Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), WeightDecay, "at least 0");
        faults.Require(Beta1 is >= 0 and < 1, Beta1, "from 0 to below 1");
        faults.Require(Beta2 is >= 0 and < 1, Beta2, "from 0 to below 1");
        faults.Require(Epsilon > 0 && double.IsFinite(Epsilon), Epsilon, "above 0");
        faults.Require(Enum.IsDefined(State), State, "one of the names of the enumeration");
        faults.Require(MaxGradientNorm > 0, MaxGradientNorm, "above 0; infinity switches clipping off");
        faults.Require(BatchSize >= 1, BatchSize, "at least 1");
        faults.Require(AccumulationSteps >= 1, AccumulationSteps, "at least 1");
        bool countable = (long)Math.Max(BatchSize, 1) * Math.Max(AccumulationSteps, 1) <= MostVideosPerStep;
        faults.Require(countable, AccumulationSteps,
            FormattableString.Invariant($"at most {MostVideosPerStep} divided by {nameof(BatchSize)}, {BatchSize}: a step takes their product of videos"));
        faults.Require(Steps >= 1, Steps, "at least 1");
        faults.Require(EmaDecay is null or (>= 0 and < 1), EmaDecay, "from 0 to below 1, or null");
        return faults.All;
    }
}
