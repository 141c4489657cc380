using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// UniPC (Zhao et al. 2023, arXiv 2302.04867) of orders 1 to 3 on flow sigmas, as diffusers' UniPCMultistepScheduler: a multistep prediction, whose result the
/// next step corrects with what its own network says. The networks predict the velocity noise - x_0, as Wan's do.
/// </summary>
/// <remarks>
/// Defaults of absent keys: order 2, bh2, shift 1, final sigma zero, lower_order_final true, every result corrected. The network and the clean prediction of a
/// step see the sample before it is corrected.
/// </remarks>
internal sealed class UniPCMultistepScheduler : IScheduler
{
    // A first level of pure noise would have log(alpha/sigma) = -infinity.
    private const double Margin = 1e-6;

    private readonly double _shift;
    private readonly int _order;
    private readonly bool _isFirstVariant;
    private readonly bool _lowerOrderFinal;
    private readonly bool _endsAtZero;
    private readonly HashSet<double> _uncorrected;

    private UniPCMultistepScheduler(SchedulerConfig config)
    {
        FlowPath.RequireIn(config);
        config.RequireOn("predict_x0", otherwise: true);
        config.RequireOff("thresholding", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_dynamic_shifting");
        config.RequireAbsent("solver_p", "shift_terminal");
        TrainTimesteps = config.GetInteger("num_train_timesteps", 1000, minimum: 1, SchedulerConfig.MaxTrainTimesteps);
        _shift = FlowPath.ReadShift(config, "flow_shift", "shift");
        _order = config.GetInteger("solver_order", 2, minimum: 1, maximum: 3);

        // Variants of other solvers, in files that were written for those, mean bh2 here.
        _isFirstVariant = config.GetChoice("solver_type", "bh2", "bh1", "bh2", "midpoint", "heun", "logrho") == "bh1";
        _lowerOrderFinal = config.GetFlag("lower_order_final", true);
        _endsAtZero = config.GetChoice("final_sigmas_type", "zero", "zero", "sigma_min") == "zero";
        double[] uncorrected = config.GetNumbers("disable_corrector") ?? [];
        _uncorrected = uncorrected.All(static step => step >= 0 && step == Math.Floor(step)) ? [.. uncorrected]
            : throw config.InvalidValue(
                "disable_corrector", uncorrected.First(static step => !(step >= 0 && step == Math.Floor(step))), "indices of steps, whole numbers from 0");
    }

    public string Name => "UniPCMultistepScheduler";

    public int TrainTimesteps { get; }

    public static UniPCMultistepScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(UniPCMultistepScheduler)));

    /// <summary>Creates the sampler of one run.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">Ignored.</param>
    /// <exception cref="ArgumentException">The last step goes to sigma 0 with an order above 1, or so many steps are asked for that two levels are one: the
    /// multistep formula divides by 0 (in the reference the video is then NaN).</exception>
    public ISampler CreateSampler(int steps, double eta = 0)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        double[] levels =
        [
            .. Spacing.Linspace(1, 1.0 / TrainTimesteps, steps + 1).SkipLast(1).Select(level => FlowPath.Shift(level, _shift)),
        ];
        levels[0] -= Math.Abs(levels[0] - 1) < Margin ? Margin : 0;
        double[] timesteps = [.. levels.Select(level => Math.Truncate(level * TrainTimesteps))];

        // Rounded before alpha = 1 - sigma, as in the reference: the first alpha is 1.0133e-6, not 1e-6, and step 1 divides by its logarithm.
        double[] sigmas = [.. levels.Select(static level => (double)(float)level)];
        var sampler = new Sampler(this, timesteps, [.. sigmas, _endsAtZero ? 0 : sigmas[^1]]);
        return sampler.FirstNotFinite is not { } bad ? sampler : throw new ArgumentException(
            $"{Name}: step {bad + 1} of {steps} with solver_order {_order} divides by 0"
                + (bad == steps - 1 && _endsAtZero && !_lowerOrderFinal
                    ? ": it ends at sigma 0, where only the first order is defined. Take lower_order_final true, or final_sigmas_type sigma_min."
                    : ", since two of its noise levels are one. Take fewer steps, or a smaller flow_shift."),
            nameof(steps));
    }

    /// <summary>One run: timesteps and the S + 1 sigmas, by position in the list.</summary>
    internal sealed class Sampler : ISampler
    {
        private readonly double[] _timesteps;
        private readonly double[] _sigmas;
        private readonly UniPCStep[] _steps;

        public Sampler(UniPCMultistepScheduler owner, double[] timesteps, double[] sigmas)
        {
            (_timesteps, _sigmas) = (timesteps, sigmas);
            NoiseLevel[] levels = [.. sigmas.Select(NoiseLevel.Flow)];
            int count = timesteps.Length;
            _steps = [.. Enumerable.Range(0, count).Select(i => UniPCStep.Create(levels, i, OrderOf(i), CorrectedOrder(i), owner._isFirstVariant))];
            HistoryLength = _steps.Max(static step => step.HistoryLength);

            int OrderOf(int i) => Math.Min(Math.Min(owner._order, i + 1), owner._lowerOrderFinal ? count - i : int.MaxValue);
            int CorrectedOrder(int i) => i == 0 || owner._uncorrected.Contains(i - 1) ? 0 : OrderOf(i - 1);
        }

        /// <summary>The first step whose weights are not finite; null: none.</summary>
        public int? FirstNotFinite => Array.FindIndex(_steps, static step => !step.IsFinite) is >= 0 and int step ? step : null;

        public IReadOnlyList<double> Timesteps => _timesteps;

        /// <summary>S + 1 values of sigma, the last one after the last step.</summary>
        public IReadOnlyList<double> Sigmas => _sigmas;

        public double InitialNoiseSigma => 1;

        public int HistoryLength { get; }

        public bool NeedsNoise(int step) => false;

        public double Sensitivity(int step)
        {
            UniPCStep rule = _steps[step];
            return -_sigmas[step] * ((rule.Correction.Count == 0 ? 0 : rule.Sample * rule.Correction[0]) + rule.Clean[0]);
        }

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        /// <inheritdoc/>
        /// <remarks>The sample must be what the step before returned: the correction of it is a sum of clean predictions only then.</remarks>
        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, _steps.Length);
            UniPCStep rule = _steps[step];
            using DisposeScope scope = NewDisposeScope();
            Tensor clean = LinearStep.Combine((1, sample), (-_sigmas[step], prediction));
            Tensor corrected = Correct(step, sample, clean, history);
            Tensor next = LinearStep.Combine([(rule.Sample, corrected), .. Terms(rule.Clean, clean, history)]);
            return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
        }

        /// <summary>Computes x^c_i, from which a step goes on. Differentiable in every tensor argument.</summary>
        /// <param name="step">Index of the step, from 0 to S - 1.</param>
        /// <param name="sample">x_i [B, ...], as predicted by the step before.</param>
        /// <param name="clean">The clean prediction of this step [B, ...].</param>
        /// <param name="history">The clean predictions of earlier steps, oldest first; at least the newest <see cref="HistoryLength"/> of those there
        /// are.</param>
        /// <returns>A fresh tensor, or an alias where the result of the step before stays.</returns>
        /// <exception cref="ArgumentException">The history is too short.</exception>
        public Tensor Correct(int step, Tensor sample, Tensor clean, IReadOnlyList<Tensor> history)
        {
            UniPCStep rule = _steps[step];
            if (history.Count < rule.HistoryLength)
            {
                throw new ArgumentException(
                    $"Step {step} needs the clean predictions of {rule.HistoryLength} earlier steps, got {history.Count}.", nameof(history));
            }

            return rule.Correction.Count == 0 ? sample.alias() : LinearStep.Combine([(1, sample), .. Terms(rule.Correction, clean, history)]);
        }

        // Weights of the newest clean prediction and those before it.
        private static IEnumerable<(double Weight, Tensor? Term)> Terms(IReadOnlyList<double> weights, Tensor clean, IReadOnlyList<Tensor> history) =>
            weights.Select((weight, k) => (weight, k == 0 ? clean : (Tensor?)history[^k]));
    }
}
