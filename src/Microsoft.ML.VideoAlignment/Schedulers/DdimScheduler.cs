using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// DDIM (Song, Meng and Ermon 2020, arXiv 2010.02502, eq. 12 and 16) as diffusers' DDIMScheduler: the previous timestep is t - train/S for every spacing, not
/// the next entry of the list. Defaults of absent keys: clip_sample true with range 1, set_alpha_to_one true, leading, offset 0, epsilon.
/// </summary>
internal sealed class DdimScheduler : IPolicyScheduler
{
    private readonly NoiseSchedule _schedule;
    private readonly double? _clip;
    private readonly string _spacing;
    private readonly int _offset;

    private DdimScheduler(SchedulerConfig config)
    {
        config.RequireOff("thresholding");
        _schedule = NoiseSchedule.FromConfig(config);
        Prediction = PredictionTypes.FromConfig(config);
        _clip = config.GetFlag("clip_sample", true) ? config.GetPositive("clip_sample_range", 1) : null;
        _spacing = config.GetChoice("timestep_spacing", "leading", "leading", "trailing", "linspace");
        _offset = config.GetInteger("steps_offset", 0, minimum: 0, TrainTimesteps - 1);
        FinalAlphaCumprod = config.GetFlag("set_alpha_to_one", true) ? 1 : _schedule.AlphasCumprod[0];
    }

    public string Name => "DDIMScheduler";

    public int TrainTimesteps => _schedule.Length;

    public NoiseSchedule Schedule => _schedule;

    public PredictionType Prediction { get; }

    public ForwardProcess Forward => new(_schedule);

    /// <summary>abar after the last step: 1 or abar_0.</summary>
    public double FinalAlphaCumprod { get; }

    public static DdimScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(DdimScheduler)));

    public ISampler CreateSampler(int steps, double eta = 0) => CreateSampler(steps, eta, rederiveNoise: false);

    /// <summary>Creates the sampler of one run.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">From 0 (deterministic) to 1 (the variance of DDPM).</param>
    /// <param name="rederiveNoise">Whether to derive the noise from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    /// <exception cref="ArgumentOutOfRangeException">The steps or eta are outside these ranges.</exception>
    public ISampler CreateSampler(int steps, double eta, bool rederiveNoise) =>
        new Sampler(this, Timesteps(steps, _offset), TrainTimesteps / steps, RequireEta(eta), rederiveNoise, FinalAlphaCumprod);

    public IPolicySampler CreatePolicy(int steps, double eta) =>
        CreatePolicy(Timesteps(steps, _spacing == "leading" ? Math.Max(_offset, 1) : _offset), steps, eta, rederiveNoise: false);

    /// <summary>
    /// Creates the policy of one run: the sampler of <see cref="CreateSampler(int, double, bool)"/>, except that the last step goes to abar_0.
    /// </summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">Above 0, at most 1 (the variance of DDPM).</param>
    /// <param name="rederiveNoise">Whether to derive the noise from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    /// <exception cref="ArgumentException">A step would be deterministic.</exception>
    public IPolicySampler CreatePolicy(int steps, double eta, bool rederiveNoise) => CreatePolicy(Timesteps(steps, _offset), steps, eta, rederiveNoise);

    /// <summary>Creates the policy of one run over the caller's own timesteps, each going train / <paramref name="steps"/> back.</summary>
    /// <param name="timesteps">Training timesteps in sampling order, descending.</param>
    /// <param name="steps">S, between 1 and the number of training timesteps; sets the stride.</param>
    /// <param name="eta">Above 0, at most 1 (the variance of DDPM).</param>
    /// <param name="rederiveNoise">Whether to derive the noise from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    /// <exception cref="ArgumentException">A step would be deterministic.</exception>
    public IPolicySampler CreatePolicy(double[] timesteps, int steps, double eta, bool rederiveNoise)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        if (RequireEta(eta) == 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(eta), eta, $"{Name}: with eta 0 every step is deterministic and has no probability. Give it above 0, such as 1.");
        }

        var sampler = new Sampler(this, timesteps, TrainTimesteps / steps, eta, rederiveNoise, _schedule.AlphasCumprod[0]);
        int still = Enumerable.Range(0, timesteps.Length).FirstOrDefault(step => !(sampler.Deviation(step) > 0), -1);
        return still < 0
            ? sampler
            : throw new ArgumentException(
                $"{Name}: at timestep {timesteps[still]} the step is deterministic (standard deviation 0), so its probability is infinite. "
                + $"With {_spacing} spacing and steps_offset {_offset} the timesteps end there; use steps_offset 1, or trailing spacing.", nameof(timesteps));
    }

    private double RequireEta(double eta) => eta is >= 0 and <= 1
        ? eta
        : throw new ArgumentOutOfRangeException(nameof(eta), eta, $"{Name}: eta must lie between 0 (no noise) and 1 (the noise of DDPM).");

    private double[] Timesteps(int steps, int offset)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        int train = TrainTimesteps;
        double[] timesteps = _spacing switch
        {
            "leading" => Spacing.Leading(steps, train / steps, offset),
            "trailing" => Spacing.Trailing(steps, train, train),
            _ => [.. Spacing.Linspace(0, train - 1, steps).Reverse().Select(t => Math.Round(t, MidpointRounding.ToEven))],
        };
        return timesteps[0] < train
            ? timesteps
            : throw new ArgumentException(
                $"{Name}: steps_offset {offset} puts the first of {steps} steps at timestep {timesteps[0]}, beyond the training schedule's last, {train - 1}. "
                + "Use fewer steps.", nameof(steps));
    }

    private sealed class Sampler : IPolicySampler
    {
        private readonly PredictionType _prediction;
        private readonly double? _clip;
        private readonly bool _rederiveNoise;
        private readonly double[] _timesteps;
        private readonly DdimStep[] _steps;

        /// <summary>Computes the weights of every step.</summary>
        /// <param name="owner">The scheduler whose schedule is sampled.</param>
        /// <param name="timesteps">Training timestep of each step, descending.</param>
        /// <param name="stride">Training timesteps that one step goes back.</param>
        /// <param name="eta">From 0 to 1.</param>
        /// <param name="rederiveNoise">See <see cref="DdimStep.Apply"/>.</param>
        /// <param name="final">abar after a step that goes back beyond timestep 0.</param>
        public Sampler(DdimScheduler owner, double[] timesteps, int stride, double eta, bool rederiveNoise, double final)
        {
            (_prediction, _clip, _rederiveNoise, _timesteps) = (owner.Prediction, owner._clip, rederiveNoise, timesteps);
            _steps = [.. timesteps.Select(t => StepAt((int)t))];

            DdimStep StepAt(int t)
            {
                double a = owner._schedule.AlphasCumprod[t];
                if (a == 0 && _prediction == PredictionType.Epsilon)
                {
                    throw new NotSupportedException(
                        $"{owner.Name}: at timestep {t} the sample is pure noise (rescale_betas_zero_snr), from which a noise prediction cannot give "
                        + "the clean sample. Use prediction_type v_prediction or sample.");
                }

                var step = DdimStep.Between(a, t - stride >= 0 ? owner._schedule.AlphasCumprod[t - stride] : final, eta);
                return step.IsFinite ? step : throw new ArgumentException(
                    $"{owner.Name}: at timestep {t} the schedule has no noise (abar 1), and the step divides 0 by 0. Take steps_offset 1, or a beta_start "
                        + "above 0.", nameof(timesteps));
            }
        }

        public IReadOnlyList<double> Timesteps => _timesteps;

        public double InitialNoiseSigma => 1;

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => _steps[step].Deviation > 0;

        public double Sensitivity(int step) => _steps[step].Sensitivity(_prediction, _rederiveNoise);

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, _steps.Length);
            LinearStep.RequireNoise(_steps[step].Deviation, noise, step);
            return _steps[step].Apply(_prediction, _clip, _rederiveNoise, sample, prediction, noise);
        }

        public double Deviation(int step) => _steps[step].Deviation;

        public Tensor Mean(int step, Tensor sample, Tensor prediction)
        {
            LinearStep.RequireStep(step, _steps.Length);
            SamplerStep result = _steps[step].Apply(_prediction, _clip, _rederiveNoise, sample, prediction, noise: null);
            result.Predicted.Dispose();
            return result.Sample;
        }
    }
}
