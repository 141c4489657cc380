using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// Euler's method on the probability flow ODE (Karras et al. 2022, arXiv 2206.00364, algorithm 1 without the second-order correction and without churn) as
/// diffusers' EulerDiscreteScheduler; the sample is x_0 + sigma noise. Defaults of absent keys: linspace, linear interpolation, discrete timesteps, final sigma
/// zero, epsilon.
/// </summary>
internal sealed class EulerDiscreteScheduler : INoiseLevelScheduler
{
    private readonly NoiseSchedule _schedule;
    private readonly double[] _trainSigmas;
    private readonly PredictionType _prediction;
    private readonly bool _karras;
    private readonly bool _logLinear;
    private readonly bool _continuous;
    private readonly bool _endsAtZero;
    private readonly string _spacing;
    private readonly int _offset;
    private readonly double? _sigmaMin;
    private readonly double? _sigmaMax;

    private EulerDiscreteScheduler(SchedulerConfig config)
    {
        config.RequireOff("use_exponential_sigmas", "use_beta_sigmas");
        _schedule = NoiseSchedule.FromConfig(config).WithoutExactZero();
        _trainSigmas = _schedule.Sigmas();
        _prediction = PredictionTypes.FromConfig(config);
        _karras = config.GetFlag("use_karras_sigmas", false);
        _logLinear = config.GetChoice("interpolation_type", "linear", "linear", "log_linear") == "log_linear";
        _continuous = config.GetChoice("timestep_type", "discrete", "discrete", "continuous") == "continuous" && _prediction == PredictionType.Velocity;
        _endsAtZero = config.GetChoice("final_sigmas_type", "zero", "zero", "sigma_min") == "zero";
        _spacing = config.GetChoice("timestep_spacing", "linspace", "linspace", "leading", "trailing");
        _offset = config.GetInteger("steps_offset", 0, minimum: 0, TrainTimesteps - 1);
        (_sigmaMin, _sigmaMax) = config.GetSigmaRange();
    }

    public string Name => "EulerDiscreteScheduler";

    public int TrainTimesteps => _schedule.Length;

    public NoiseSchedule Schedule => _schedule;

    public static EulerDiscreteScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(EulerDiscreteScheduler)));

    /// <summary>Creates the sampler of one run.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">Ignored.</param>
    public ISampler CreateSampler(int steps, double eta = 0)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        double[] timesteps = _spacing switch
        {
            // Not rounded, unlike DDIM's.
            "linspace" => [.. Spacing.Linspace(0, TrainTimesteps - 1, steps).Reverse()],
            "leading" => Spacing.Leading(steps, TrainTimesteps / steps, _offset),
            _ => Spacing.Trailing(steps, TrainTimesteps, TrainTimesteps),
        };

        // There is one log-linear sigma more than there are steps, and the final one comes after them: as in the reference, whose last one is never reached.
        double[] sigmas = _logLinear
            ? [.. Spacing.Linspace(Math.Log(_trainSigmas[^1]), Math.Log(_trainSigmas[0]), steps + 1).Select(Math.Exp)]
            : [.. timesteps.Select(t => Spacing.Interpolate(_trainSigmas, t))];
        if (_karras)
        {
            sigmas = Spacing.Karras(_sigmaMin ?? sigmas[^1], _sigmaMax ?? sigmas[0], steps);
            timesteps = [.. sigmas.Select(sigma => Spacing.PositionOf(_trainSigmas, sigma))];
        }

        return Create([.. sigmas, _endsAtZero ? 0 : _trainSigmas[0]], timesteps);
    }

    /// <summary>Creates the sampler of a run through the caller's own noise levels; the configuration's spacing is not used.</summary>
    /// <param name="sigmas">S + 1 noise levels, descending, the final one included (usually 0).</param>
    /// <exception cref="ArgumentException">There are fewer than two levels, or they do not fall, or one before the last is not above 0.</exception>
    public ISampler CreateSampler(IReadOnlyList<double> sigmas)
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        if (sigmas.Count < 2 || !(sigmas[^1] >= 0) || !double.IsFinite(sigmas[0])
            || Enumerable.Range(1, sigmas.Count - 1).Any(i => !(sigmas[i] < sigmas[i - 1])))
        {
            throw new ArgumentException(
                $"sigmas: expected at least two noise levels that fall, the last at least 0 (such as 20, 3, 0.7, 0 for three steps), "
                + $"got {string.Join(", ", sigmas.Select(static sigma => $"{sigma}"))}.", nameof(sigmas));
        }

        return Create([.. sigmas], [.. sigmas.SkipLast(1).Select(sigma => Spacing.PositionOf(_trainSigmas, sigma))]);
    }

    private Sampler Create(double[] sigmas, double[] timesteps)
    {
        int bad = Array.FindIndex(sigmas, 0, sigmas.Length - 1, static sigma => !(sigma > 0 && double.IsFinite(sigma)));
        return bad < 0 ? Build(sigmas, timesteps) : throw new ArgumentException(
            $"{Name}: step {bad + 1} begins at the noise level {sigmas[bad]}, and it divides by it: expected a number above 0. Take fewer steps, "
                + "steps_offset 1, or a beta_start or sigma_min above 0.", nameof(sigmas));
    }

    private Sampler Build(double[] sigmas, double[] timesteps) =>
        new(_prediction, _continuous ? [.. sigmas.SkipLast(1).Select(sigma => Math.Log(sigma) / 4)] : timesteps, sigmas, scaleStart: _spacing == "leading");

    internal sealed class Sampler(PredictionType prediction, double[] timesteps, double[] sigmas, bool scaleStart) : ISampler
    {
        public IReadOnlyList<double> Timesteps => timesteps;

        /// <summary>S + 1 noise levels; step i goes from level i to level i + 1.</summary>
        public IReadOnlyList<double> Sigmas => sigmas;

        public double InitialNoiseSigma { get; } = scaleStart ? Math.Sqrt((sigmas.Max() * sigmas.Max()) + 1) : sigmas.Max();

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => false;

        public double Sensitivity(int step) => (1 - (sigmas[step + 1] / sigmas[step])) * CleanAt(step).OfPrediction;

        public Tensor ScaleInput(Tensor sample, int step)
        {
            LinearStep.RequireStep(step, timesteps.Length);
            return sample.Mul(Scale(step));
        }

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, timesteps.Length);
            (double ofSample, double ofPrediction) = CleanAt(step);
            Tensor clean = LinearStep.Combine((ofSample, sample), (ofPrediction, prediction));

            // x + (x - x_0)/sigma (sigma' - sigma), regrouped so that nothing cancels.
            double kept = sigmas[step + 1] / sigmas[step];
            Tensor next = LinearStep.Combine((kept, sample), (1 - kept, clean));
            return new SamplerStep(next, clean);
        }

        // alpha = 1/sqrt(sigma^2 + 1): the sample times alpha has the variance that networks are trained on.
        private double Scale(int step) => 1 / Math.Sqrt((sigmas[step] * sigmas[step]) + 1);

        private (double OfSample, double OfPrediction) CleanAt(int step)
        {
            double alpha = Scale(step);
            (double ofScaled, double ofPrediction) = prediction.CleanWeights(alpha, sigmas[step] * alpha);
            return (ofScaled * alpha, ofPrediction);
        }
    }
}
