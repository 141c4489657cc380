using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// DDIM (Song, Meng and Ermon 2020, arXiv 2010.02502, eq. 12 and 16) as VideoCrafter samples. Reference: lvdm, <c>DDIMSampler</c>, and the buffers of
/// <c>LatentDiffusion</c>.
/// </summary>
/// <remarks>
/// Timesteps are 1, 1 + c, 1 + 2c, ... with c = N / S rounded down, so that there are more than S of them where S does not divide N; latents are scaled down in
/// noisy steps (<c>use_scale</c>); the last step adds noise too, and its result is x, not the clean prediction.
/// </remarks>
internal sealed class VideoCrafterDdimScheduler : IPolicyScheduler
{
    // Latents that are scaled by more exceed the range of float32.
    private const double MaxScale = 1e6;

    private readonly double[] _betas;
    private readonly double[] _alphasCumprod;
    private readonly double[]? _scales;

    private VideoCrafterDdimScheduler(SchedulerConfig config)
    {
        config.RequireOff("rescale_betas_zero_snr");
        _ = config.GetChoice("beta_schedule", "linear", "linear");
        _ = config.GetChoice("parameterization", "eps", "eps");
        if (config.GetNumbers("given_betas") is not null)
        {
            throw new NotSupportedException($"{nameof(VideoCrafterDdimScheduler)}: given_betas is not supported; expected linear_start and linear_end.");
        }

        int length = config.GetInteger("timesteps", 1000, minimum: 2, SchedulerConfig.MaxTrainTimesteps);
        (double start, double end) = (config.GetNumber("linear_start", 1e-4), config.GetNumber("linear_end", 2e-2));
        if (start is not (> 0 and < 1) || end is not (> 0 and < 1))
        {
            throw new InvalidDataException(
                $"{nameof(VideoCrafterDdimScheduler)}: expected linear_start and linear_end between 0 and 1, got {start} and {end}.");
        }

        _betas = NoiseSchedule.ScaledLinear(start, end, length);
        _alphasCumprod = new double[length];
        double product = 1;
        for (int t = 0; t < length; t++)
        {
            product *= 1 - _betas[t];
            _alphasCumprod[t] = Rounded(product);
        }

        _scales = config.GetFlag("use_scale", false) ? Scales(config, length) : null;
    }

    public string Name => "lvdm.DDIMSampler";

    public int TrainTimesteps => _betas.Length;

    /// <summary>beta by training timestep.</summary>
    public IReadOnlyList<double> Betas => _betas;

    /// <summary>abar by training timestep, as the reference's float32 buffer holds it.</summary>
    public IReadOnlyList<double> AlphasCumprod => _alphasCumprod;

    /// <summary>The buffer scale_arr, of which only the first N entries are read; null: latents are not scaled.</summary>
    public IReadOnlyList<double>? ScaleTable => _scales;

    /// <summary>Reads a yaml's <c>model.params</c>: timesteps, linear_start, linear_end, use_scale, scale_a, scale_b, mid_step, fix_scale_bug.</summary>
    /// <param name="json">The section as JSON.</param>
    public static VideoCrafterDdimScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(VideoCrafterDdimScheduler)));

    /// <summary>Creates the sampler of one run, which has more than <paramref name="steps"/> steps where that does not divide the training schedule.</summary>
    /// <param name="steps">S, between 1 and <see cref="TrainTimesteps"/>.</param>
    /// <param name="eta">From 0 (deterministic) to 1 (the variance of DDPM).</param>
    /// <exception cref="ArgumentOutOfRangeException">The spacing would start after the last training timestep, or eta is outside [0, 1].</exception>
    public ISampler CreateSampler(int steps, double eta = 0) => new Sampler(this, steps, eta);

    public PredictionType Prediction => PredictionType.Epsilon;

    public ForwardProcess Forward => new(NoiseSchedule.FromAlphas(_alphasCumprod), _scales);

    /// <summary>Creates the policy of a run: the sampler itself, which ends at timestep 1 and goes to abar_0 there.</summary>
    /// <param name="steps">S, between 1 and <see cref="TrainTimesteps"/>.</param>
    /// <param name="eta">Above 0, at most 1 (the variance of DDPM).</param>
    /// <exception cref="ArgumentOutOfRangeException">Eta is 0, or as for <see cref="CreateSampler"/>.</exception>
    public IPolicySampler CreatePolicy(int steps, double eta) => eta > 0
        ? new Sampler(this, steps, eta)
        : throw new ArgumentOutOfRangeException(
            nameof(eta), eta, $"{Name}: with eta 0 every step is deterministic and has no probability. Give it above 0, such as 1.");

    private static double Rounded(double value) => (float)value;

    // From scale_a to scale_b in mid_step steps, then scale_b: N more entries, or N in all with fix_scale_bug.
    private static double[] Scales(SchedulerConfig config, int length)
    {
        (double first, double last) = (config.GetPositive("scale_a", 1), config.GetPositive("scale_b", 0.3));
        int middle = config.GetInteger("mid_step", 400, minimum: 1, length);
        if (!(first <= MaxScale) || !(last <= MaxScale))
        {
            throw new InvalidDataException($"{nameof(VideoCrafterDdimScheduler)}: expected scale_a and scale_b up to {MaxScale}, got {first} and {last}.");
        }

        int rest = config.GetFlag("fix_scale_bug", false) ? length - middle : length;
        return [.. Spacing.Linspace(first, last, middle).Concat(Enumerable.Repeat(last, rest)).Select(Rounded)];
    }

    /// <summary>The tables of one run, in order of increasing timestep as the reference stores them; step 0 is the last of them.</summary>
    internal sealed class Sampler : IPolicySampler
    {
        private readonly Row[] _rows;
        private readonly double[] _timesteps;

        public Sampler(VideoCrafterDdimScheduler owner, int steps, double eta)
        {
            int train = owner.TrainTimesteps;
            Spacing.RequireSteps(steps, train, owner.Name);
            if (eta is not (>= 0 and <= 1))
            {
                throw new ArgumentOutOfRangeException(nameof(eta), eta, $"{owner.Name}: eta must lie between 0 (no noise) and 1 (the noise of DDPM).");
            }

            int stride = train / steps;
            if ((train - 1) % stride == 0)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(steps), steps,
                    $"{owner.Name}: with {steps} steps the spacing of {stride} puts the first step at timestep {train}, "
                    + $"after the training schedule's last, {train - 1}. Take a number of steps that divides {train}, such as 25 or 50.");
            }

            int[] visited = [.. Enumerable.Range(0, ((train - 1) / stride) + 1).Select(i => (i * stride) + 1)];
            AlphasCumprod = [.. visited.Select(t => owner._alphasCumprod[t])];
            PreviousAlphasCumprod = [owner._alphasCumprod[0], .. AlphasCumprod.SkipLast(1)];
            Scales = [.. visited.Select(t => owner._scales?[t] ?? 1)];
            PreviousScales = [owner._scales?[0] ?? 1, .. Scales.SkipLast(1)];
            Deviations = // eq. 16
            [
                .. AlphasCumprod.Zip(PreviousAlphasCumprod, (a, previous) => eta * Math.Sqrt((1 - previous) / (1 - a) * (1 - (a / previous)))),
            ];
            _timesteps = [.. visited.Reverse().Select(t => (double)t)];
            _rows = [.. Enumerable.Range(0, visited.Length).Reverse().Select(i =>
            {
                (double a, double previous, double deviation) = (AlphasCumprod[i], PreviousAlphasCumprod[i], Deviations[i]);
                return new Row(
                    1 / (Math.Sqrt(a) * Scales[i]), -Math.Sqrt(1 - a) / (Math.Sqrt(a) * Scales[i]), Math.Sqrt(previous) * PreviousScales[i],
                    Math.Sqrt(Math.Max(1 - previous - (deviation * deviation), 0)), deviation);
            })];
            if (Array.FindIndex(_rows, static row => !row.IsFinite) is >= 0 and int bad)
            {
                throw new ArgumentException(
                    $"{owner.Name}: at timestep {_timesteps[bad]} the schedule has no noise (abar 1 in float32), and the step divides 0 by 0. Give a larger "
                        + "linear_start.", nameof(steps));
            }
        }

        /// <summary>abar by increasing timestep.</summary>
        public IReadOnlyList<double> AlphasCumprod { get; }

        /// <summary>abar after each step; after the last step abar_0, not 1.</summary>
        public IReadOnlyList<double> PreviousAlphasCumprod { get; }

        /// <summary>Factor of the clean latents in the latents at each timestep, beside sqrt(abar).</summary>
        public IReadOnlyList<double> Scales { get; }

        /// <summary>The scale after each step.</summary>
        public IReadOnlyList<double> PreviousScales { get; }

        /// <summary>Standard deviation of the noise that each step adds.</summary>
        public IReadOnlyList<double> Deviations { get; }

        public IReadOnlyList<double> Timesteps => _timesteps;

        public double InitialNoiseSigma => 1;

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => _rows[step].Deviation > 0;

        public double Sensitivity(int step) => (_rows[step].NextScale * _rows[step].CleanOfPrediction) + _rows[step].Direction;

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, _rows.Length);
            LinearStep.RequireNoise(_rows[step].Deviation, noise, step);
            return _rows[step].Apply(sample, prediction, noise);
        }

        public double Deviation(int step) => _rows[step].Deviation;

        public Tensor Mean(int step, Tensor sample, Tensor prediction)
        {
            LinearStep.RequireStep(step, _rows.Length);
            SamplerStep result = _rows[step].Apply(sample, prediction, noise: null);
            result.Predicted.Dispose();
            return result.Sample;
        }

        // x_0 = CleanOfSample x + CleanOfPrediction e; x' = NextScale x_0 + Direction e + Deviation fresh noise.
        private readonly record struct Row(double CleanOfSample, double CleanOfPrediction, double NextScale, double Direction, double Deviation)
        {
            // Whether every weight is finite.
            public bool IsFinite =>
                double.IsFinite(CleanOfSample) && double.IsFinite(CleanOfPrediction) && double.IsFinite(NextScale) && double.IsFinite(Direction)
                    && double.IsFinite(Deviation);

            // Without noise x' is the mean of the step.
            public SamplerStep Apply(Tensor sample, Tensor prediction, Tensor? noise)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor clean = LinearStep.Combine((CleanOfSample, sample), (CleanOfPrediction, prediction));
                Tensor next = LinearStep.Combine((NextScale, clean), (Direction, prediction), (Deviation, noise));
                return new SamplerStep(next.MoveToOuterDisposeScope(), clean.MoveToOuterDisposeScope());
            }
        }
    }
}
