namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// How <see cref="OptimizerOptions.LearningRate"/> changes over the optimizer steps of a run: a warm-up from 0, then constant, linear or cosine decay
/// (diffusers.optimization.get_constant_schedule_with_warmup, get_linear_schedule_with_warmup, get_cosine_schedule_with_warmup).
/// </summary>
/// <remarks>
/// As in the reference the rate of the first step of a warm-up is 0, and that of a decay would reach 0 one step after the last. A run that is resumed with more
/// <see cref="OptimizerOptions.Steps"/> goes on at the rate that the longer run has there.
/// </remarks>
public abstract record LearningRateSchedule
{
    private LearningRateSchedule(int warmUpSteps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(warmUpSteps);
        WarmUpSteps = warmUpSteps;
    }

    /// <summary>Steps over which the rate grows linearly from 0; 0: none.</summary>
    public int WarmUpSteps { get; }

    /// <summary>Whether the rate of a step depends on how many steps the run has.</summary>
    internal abstract bool DependsOnSteps { get; }

    /// <summary>The same rate at every step after the warm-up.</summary>
    /// <param name="warmUpSteps">Steps over which the rate grows linearly from 0, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps is below 0.</exception>
    public static LearningRateSchedule Constant(int warmUpSteps = 0) => new ConstantRate(warmUpSteps);

    /// <summary>After the warm-up a rate that falls linearly, towards 0 at the end of the run.</summary>
    /// <param name="warmUpSteps">Steps over which the rate grows linearly from 0, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps is below 0.</exception>
    public static LearningRateSchedule Linear(int warmUpSteps = 0) => new LinearDecay(warmUpSteps);

    /// <summary>
    /// After the warm-up a rate that falls as half a period of a cosine, towards 0 at the end of the run (Loshchilov and Hutter 2017, arXiv 1608.03983).
    /// </summary>
    /// <param name="warmUpSteps">Steps over which the rate grows linearly from 0, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of steps is below 0.</exception>
    public static LearningRateSchedule Cosine(int warmUpSteps = 0) => new CosineDecay(warmUpSteps);

    /// <summary>Computes the share of the learning rate that an optimizer step is made with.</summary>
    /// <param name="step">The step, counted from 1; beyond the end of the run a decay stays at 0.</param>
    /// <param name="steps">Optimizer steps of the run, at least 1.</param>
    /// <returns>A factor in [0, 1].</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public double GetFactor(int step, int steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        int done = step - 1;
        return done < WarmUpSteps ? (double)done / WarmUpSteps : Decay(Math.Min(1, (double)(done - WarmUpSteps) / Math.Max(1, steps - WarmUpSteps)));
    }

    /// <summary>Describes the schedule as a phrase, with all that decides a step's rate.</summary>
    /// <param name="steps">Optimizer steps of the run.</param>
    internal string Describe(int steps) => DependsOnSteps ? FormattableString.Invariant($"{this}, to step {steps}") : $"{this}";

    /// <summary>Computes the factor after the warm-up.</summary>
    /// <param name="progress">The share of the steps after the warm-up that is done, in [0, 1].</param>
    private protected abstract double Decay(double progress);

    private protected string AddWarmUp(string shape) => WarmUpSteps == 0 ? shape : FormattableString.Invariant($"{shape} after {WarmUpSteps} steps of warm-up");

    private sealed record ConstantRate(int WarmUp) : LearningRateSchedule(WarmUp)
    {
        internal override bool DependsOnSteps => false;

        public override string ToString() => AddWarmUp("constant");

        private protected override double Decay(double progress) => 1;
    }

    private sealed record LinearDecay(int WarmUp) : LearningRateSchedule(WarmUp)
    {
        internal override bool DependsOnSteps => true;

        public override string ToString() => AddWarmUp("linear");

        private protected override double Decay(double progress) => 1 - progress;
    }

    private sealed record CosineDecay(int WarmUp) : LearningRateSchedule(WarmUp)
    {
        internal override bool DependsOnSteps => true;

        public override string ToString() => AddWarmUp("cosine");

        private protected override double Decay(double progress) => 0.5 * (1 + Math.Cos(Math.PI * progress));
    }
}
