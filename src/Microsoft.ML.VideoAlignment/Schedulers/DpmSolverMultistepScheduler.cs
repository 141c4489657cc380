using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// DPM-Solver++ multistep (Lu et al. 2022, arXiv 2211.01095) of orders 1 to 3, deterministic or stochastic, as diffusers' DPMSolverMultistepScheduler.
/// Defaults of absent keys: order 2, dpmsolver++, midpoint, linspace, final sigma zero, lower_order_final true, euler_at_final false, epsilon; with
/// use_flow_sigmas alpha = 1 - sigma, flow_prediction, and shift 1.
/// </summary>
internal sealed class DpmSolverMultistepScheduler : IScheduler
{
    // Runs shorter than this end with lower orders (lower_order_final).
    private const int ShortRun = 15;

    private readonly NoiseSchedule _schedule;
    private readonly double[] _trainSigmas;
    private readonly PredictionType _prediction;
    private readonly int _order;
    private readonly bool _stochastic;
    private readonly bool _heun;
    private readonly bool _lowerOrderFinal;
    private readonly bool _eulerAtFinal;
    private readonly bool _karras;
    private readonly bool _endsAtZero;
    private readonly string _spacing;
    private readonly int _offset;
    private readonly int _last;
    private readonly double? _sigmaMin;
    private readonly double? _sigmaMax;
    private readonly double? _flowShift;

    private DpmSolverMultistepScheduler(SchedulerConfig config)
    {
        config.RequireOff("thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas");
        _schedule = NoiseSchedule.FromConfig(config).WithoutExactZero();
        _trainSigmas = _schedule.Sigmas();
        if (config.GetFlag("use_flow_sigmas", false))
        {
            FlowPath.RequireIn(config);
            config.RequireOff("use_karras_sigmas", "use_dynamic_shifting");
            _flowShift = FlowPath.ReadShift(config, "flow_shift", "shift");
        }

        _prediction = _flowShift is null ? PredictionTypes.FromConfig(config) : PredictionType.Flow;
        _order = config.GetInteger("solver_order", 2, minimum: 1, maximum: 3);

        _stochastic = config.GetChoice("algorithm_type", "dpmsolver++", "dpmsolver++", "sde-dpmsolver++") == "sde-dpmsolver++";

        // Variants of other solvers, in files that were written for those, mean midpoint here.
        _heun = config.GetChoice("solver_type", "midpoint", "midpoint", "heun", "logrho", "bh1", "bh2") == "heun";
        _lowerOrderFinal = config.GetFlag("lower_order_final", true);
        _eulerAtFinal = config.GetFlag("euler_at_final", false);
        _karras = config.GetFlag("use_karras_sigmas", false);
        _endsAtZero = config.GetChoice("final_sigmas_type", "zero", "zero", "sigma_min") == "zero";
        _spacing = config.GetChoice("timestep_spacing", "linspace", "linspace", "leading", "trailing");
        _offset = config.GetInteger("steps_offset", 0, minimum: 0, TrainTimesteps - 1);
        (_sigmaMin, _sigmaMax) = config.GetSigmaRange();

        // lambda = log(alpha/sigma) = -log sqrt((1 - abar)/abar) falls with t.
        double lambdaMin = config.GetNumberOrInfinity("lambda_min_clipped", double.NegativeInfinity);
        _last = _schedule.Length - _trainSigmas.Count(sigma => -Math.Log(sigma) < lambdaMin);
        if (_last < 1)
        {
            throw config.InvalidValue("lambda_min_clipped", lambdaMin, "a value that leaves training timesteps");
        }
    }

    public string Name => "DPMSolverMultistepScheduler";

    public int TrainTimesteps => _schedule.Length;

    public NoiseSchedule Schedule => _schedule;

    public static DpmSolverMultistepScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(DpmSolverMultistepScheduler)));

    /// <summary>Creates the sampler of one run. Trailing spacing with clipped lambdas gives fewer steps than asked for, as in the reference.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">Ignored.</param>
    /// <exception cref="ArgumentException">So many steps visit a noise level twice, where the multistep formula divides 0 by 0 (in the reference the video is
    /// then NaN).</exception>
    public ISampler CreateSampler(int steps, double eta = 0)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        Sampler sampler = Create(steps);
        if (sampler.FirstNotFinite is not { } bad)
        {
            return sampler;
        }

        int most = Enumerable.Range(1, steps - 1).Reverse().FirstOrDefault(fewer => Create(fewer).FirstNotFinite is null);
        throw new ArgumentException(
            $"{Name}: {steps} steps with {_spacing} spacing and steps_offset {_offset} visit one noise level more than once before step {bad + 1}, where "
                + $"order {_order} divides 0 by 0. "
            + (most > 0 ? $"Take {most} steps or fewer, or another Sampler." : "Take another Sampler, or another spacing."), nameof(steps));
    }

    private Sampler Create(int steps)
    {
        if (_flowShift is { } shift)
        {
            return CreateFlow(steps, shift);
        }

        double[] timesteps = _spacing switch
        {
            "linspace" => [.. Spacing.Linspace(0, _last - 1, steps + 1).Skip(1).Reverse().Select(t => Math.Round(t, MidpointRounding.ToEven))],
            "leading" => [.. Spacing.Leading(steps + 1, _last / (steps + 1), _offset).SkipLast(1)],
            _ => Spacing.Trailing(steps, TrainTimesteps, _last),
        };
        double[] sigmas;
        if (_karras)
        {
            sigmas = Spacing.Karras(_sigmaMin ?? _trainSigmas[0], _sigmaMax ?? _trainSigmas[^1], steps);
            timesteps =
            [
                .. sigmas.Select(sigma => Spacing.PositionOf(_trainSigmas, sigma))
                    .Select(t => _schedule.IsCosine ? t : Math.Round(t, MidpointRounding.ToEven)),
            ];
        }
        else
        {
            sigmas = [.. timesteps.Select(t => Spacing.Interpolate(_trainSigmas, t))];
        }

        return new Sampler(this, timesteps, [.. sigmas, _endsAtZero ? 0 : _trainSigmas[0]]);
    }

    // 1 - linspace(1, 1/train, S + 1) from its other end, without the 0: the first level is below 1. The beta table's smallest sigma ends the run, if any.
    private Sampler CreateFlow(int steps, double shift)
    {
        double[] levels =
        [
            .. Spacing.Linspace(1, 1.0 / TrainTimesteps, steps + 1).Skip(1).Reverse().Select(alpha => FlowPath.Shift(1 - alpha, shift)),
        ];
        return new Sampler(
            this, [.. levels.Select(level => Math.Truncate(level * TrainTimesteps))],
            [.. levels.Select(static level => (double)(float)level), _endsAtZero ? 0 : _trainSigmas[0]]);
    }

    /// <summary>One run: timesteps and the S + 1 sigmas, by position in the list, never looked up by timestep (Karras timesteps repeat).</summary>
    internal sealed class Sampler : ISampler
    {
        private readonly PredictionType _prediction;
        private readonly double[] _timesteps;
        private readonly double[] _sigmas;
        private readonly NoiseLevel[] _levels;
        private readonly DpmSolverStep[] _steps;

        public Sampler(DpmSolverMultistepScheduler owner, double[] timesteps, double[] sigmas)
        {
            (_prediction, _timesteps, _sigmas) = (owner._prediction, timesteps, sigmas);
            _levels = [.. sigmas.Select(sigma => owner._flowShift is null ? NoiseLevel.VariancePreserving(sigma) : NoiseLevel.Flow(sigma))];
            int count = timesteps.Length;
            _steps = [.. Enumerable.Range(0, count).Select(i => DpmSolverStep.Create(_levels, i, OrderOf(i), owner._heun, owner._stochastic))];
            HistoryLength = owner._order - 1;

            int OrderOf(int i)
            {
                bool shortRun = owner._lowerOrderFinal && count < ShortRun;
                if (i == count - 1 && (owner._eulerAtFinal || shortRun || owner._endsAtZero))
                {
                    return 1;
                }

                int order = Math.Min(owner._order, i + 1);
                return i == count - 2 && shortRun ? Math.Min(order, 2) : order;
            }
        }

        /// <summary>The first step whose weights are not finite; null: none.</summary>
        public int? FirstNotFinite => Array.FindIndex(_steps, static step => !step.IsFinite) is >= 0 and int step ? step : null;

        public IReadOnlyList<double> Timesteps => _timesteps;

        /// <summary>S + 1 values of sqrt((1 - abar)/abar), or of a flow's sigma, the last one after the last step.</summary>
        public IReadOnlyList<double> Sigmas => _sigmas;

        public double InitialNoiseSigma => 1;

        public int HistoryLength { get; }

        public bool NeedsNoise(int step) => _steps[step].Noise > 0;

        public double Sensitivity(int step) => _steps[step].Newest * CleanAt(step).OfPrediction;

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, _steps.Length);
            DpmSolverStep rule = _steps[step];
            LinearStep.RequireNoise(rule.Noise, noise, step);
            if (history.Count < rule.Order - 1)
            {
                throw new ArgumentException(
                    $"Step {step} is of order {rule.Order} and needs the clean predictions of {rule.Order - 1} earlier steps, got {history.Count}.",
                    nameof(history));
            }

            (double ofSample, double ofPrediction) = CleanAt(step);
            Tensor clean = LinearStep.Combine((ofSample, sample), (ofPrediction, prediction));
            Tensor next = LinearStep.Combine(
                (rule.Sample, sample), (rule.Newest, clean), (rule.Second, rule.Order > 1 ? history[^1] : null),
                (rule.Third, rule.Order > 2 ? history[^2] : null), (rule.Noise, noise));
            return new SamplerStep(next, clean);
        }

        private (double OfSample, double OfPrediction) CleanAt(int step) => _prediction.CleanWeights(_levels[step].Alpha, _levels[step].Sigma);
    }
}
