using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// DDIM (Song, Meng and Ermon 2020, arXiv 2010.02502, eq. 12 and 16) as diffusers' DDIMScheduler: the previous timestep is t - train/S for every spacing,
/// not the next entry of the list. Defaults of absent keys: clip_sample true with range 1, set_alpha_to_one true, leading, offset 0, epsilon.
/// </summary>
internal sealed class DdimScheduler : IScheduler
{
    private readonly NoiseSchedule _schedule;
    private readonly PredictionType _prediction;
    private readonly double? _clip;
    private readonly string _spacing;
    private readonly int _offset;

    private DdimScheduler(SchedulerConfig config)
    {
        config.RequireOff("thresholding");
        _schedule = NoiseSchedule.FromConfig(config);
        _prediction = PredictionTypes.FromConfig(config);
        _clip = config.Flag("clip_sample", true) ? config.Number("clip_sample_range", 1) : null;
        _spacing = config.Choice("timestep_spacing", "leading", "leading", "trailing", "linspace");
        _offset = config.Integer("steps_offset", 0);
        FinalAlphaCumprod = config.Flag("set_alpha_to_one", true) ? 1 : _schedule.AlphasCumprod[0];
    }

    public string Name => "DDIMScheduler";

    public int TrainTimesteps => _schedule.Length;

    public NoiseSchedule Schedule => _schedule;

    /// <summary>abar behind the last step: 1 or abar_0.</summary>
    public double FinalAlphaCumprod { get; }

    public static DdimScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(DdimScheduler)));

    public ISampler CreateSampler(int steps, double eta = 0) => CreateSampler(steps, eta, rederiveNoise: false);

    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">0 (deterministic) to 1 (the variance of DDPM).</param>
    /// <param name="rederiveNoise">Whether the noise is derived anew from the clipped clean sample (diffusers' use_clipped_model_output).</param>
    public ISampler CreateSampler(int steps, double eta, bool rederiveNoise)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        if (eta is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(eta), eta, $"{Name}: eta must lie between 0 (no noise) and 1 (the noise of DDPM).");
        }

        int train = TrainTimesteps;
        double[] timesteps = _spacing switch
        {
            "leading" => Spacing.Leading(steps, train / steps, _offset),
            "trailing" => Spacing.Trailing(steps, train, train),
            _ => [.. Spacing.Linspace(0, train - 1, steps).Reverse().Select(t => Math.Round(t, MidpointRounding.ToEven))],
        };
        if (timesteps[0] >= train)
        {
            throw new ArgumentException($"{Name}: steps_offset {_offset} puts the first of {steps} steps at timestep {timesteps[0]}, beyond the training schedule's last, {train - 1}. Use fewer steps.", nameof(steps));
        }

        return new Sampler(this, timesteps, train / steps, eta, rederiveNoise);
    }

    private sealed class Sampler : ISampler
    {
        private readonly PredictionType _prediction;
        private readonly double? _clip;
        private readonly bool _rederiveNoise;
        private readonly double[] _timesteps;
        private readonly Row[] _rows;

        public Sampler(DdimScheduler owner, double[] timesteps, int stride, double eta, bool rederiveNoise)
        {
            (_prediction, _clip, _rederiveNoise, _timesteps) = (owner._prediction, owner._clip, rederiveNoise, timesteps);
            _rows = [.. timesteps.Select(t => RowAt((int)t))];

            Row RowAt(int t)
            {
                double a = owner._schedule.AlphasCumprod[t];
                double previous = t - stride >= 0 ? owner._schedule.AlphasCumprod[t - stride] : owner.FinalAlphaCumprod;
                if (a == 0 && _prediction == PredictionType.Epsilon)
                {
                    throw new NotSupportedException($"{owner.Name}: at timestep {t} the sample is pure noise (rescale_betas_zero_snr), from which a noise prediction cannot tell the clean sample. Use prediction_type v_prediction or sample.");
                }

                // eq. 16; at abar 1 behind the last step there is no noise left to add.
                double variance = (1 - previous) / (1 - a) * (1 - (a / previous));
                double deviation = eta * Math.Sqrt(Math.Max(variance, 0));
                return new Row(Math.Sqrt(a), Math.Sqrt(1 - a), Math.Sqrt(previous), Math.Sqrt(Math.Max(1 - previous - (deviation * deviation), 0)), deviation);
            }
        }

        public IReadOnlyList<double> Timesteps => _timesteps;

        public double InitialNoiseSigma => 1;

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => _rows[step].Deviation > 0;

        public double Sensitivity(int step)
        {
            Row row = _rows[step];
            double clean = _prediction.Clean(row.Alpha, row.Sigma).OfPrediction;
            double noise = _rederiveNoise ? -row.Alpha / row.Sigma * clean : _prediction.Noise(row.Alpha, row.Sigma).OfPrediction;
            return (row.NextAlpha * clean) + (row.Direction * noise);
        }

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, _rows.Length);
            Row row = _rows[step];
            LinearStep.RequireNoise(row.Deviation, noise, step);
            using DisposeScope scope = NewDisposeScope();
            (double cleanX, double cleanM) = _prediction.Clean(row.Alpha, row.Sigma);
            (double noiseX, double noiseM) = _rederiveNoise ? (1 / row.Sigma, 0) : _prediction.Noise(row.Alpha, row.Sigma);
            Tensor clean = LinearStep.Combine((cleanX, sample), (cleanM, prediction));
            if (_clip is { } range)
            {
                clean = clean.clamp(-range, range);
            }

            // The direction is a sum of x, m and (where the noise is derived anew) the clipped clean sample.
            double fromClean = row.NextAlpha - (_rederiveNoise ? row.Direction * row.Alpha / row.Sigma : 0);
            Tensor next = LinearStep.Combine((fromClean, clean), (row.Direction * noiseX, sample), (row.Direction * noiseM, prediction), (row.Deviation, noise));
            return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
        }

        /// <summary>x = Alpha x_0 + Sigma noise now; x' = NextAlpha x_0 + Direction noise + Deviation fresh noise.</summary>
        private readonly record struct Row(double Alpha, double Sigma, double NextAlpha, double Direction, double Deviation);
    }
}
