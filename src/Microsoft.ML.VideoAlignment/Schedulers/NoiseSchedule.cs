namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The training schedule that every sampler of a file shares: betas, and their running product abar_t = prod (1 - beta_s) (Ho et al. 2020, arXiv 2006.11239,
/// eq. 4), in float64. x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise.
/// </summary>
internal sealed class NoiseSchedule
{
    /// <summary>The value in place of an exact zero for samplers that divide by abar: diffusers' 2^-24, the smallest float16.</summary>
    public const double TinySignal = 1.0 / (1 << 24);

    private readonly double[] _alphasCumprod;

    private NoiseSchedule(double[] alphasCumprod, bool isCosine) => (_alphasCumprod, IsCosine) = (alphasCumprod, isCosine);

    /// <summary>abar by training timestep.</summary>
    public ReadOnlySpan<double> AlphasCumprod => _alphasCumprod;

    public int Length => _alphasCumprod.Length;

    /// <summary>Whether the betas are "squaredcos_cap_v2", on which DPM-Solver's rounding of Karras timesteps depends.</summary>
    public bool IsCosine { get; }

    /// <summary>
    /// Reads num_train_timesteps (1000), beta_start (0.0001), beta_end (0.02), beta_schedule (linear), trained_betas and rescale_betas_zero_snr (false); the
    /// defaults are those of diffusers' DDPM, DDIM, DPM-Solver and Euler classes alike.
    /// </summary>
    /// <param name="config">The keys of a scheduler_config.json.</param>
    /// <exception cref="InvalidDataException">The betas add no noise or too much, or one is outside [0, 1).</exception>
    public static NoiseSchedule FromConfig(SchedulerConfig config)
    {
        int length = config.GetInteger("num_train_timesteps", 1000, minimum: 1, SchedulerConfig.MaxTrainTimesteps);
        double start = config.GetNumber("beta_start", 0.0001);
        double end = config.GetNumber("beta_end", 0.02);
        string kind = config.GetChoice("beta_schedule", "linear", "linear", "scaled_linear", "squaredcos_cap_v2");
        double[] betas = config.GetNumbers("trained_betas") ?? kind switch
        {
            "linear" => Spacing.Linspace(start, end, length),
            "scaled_linear" => ScaledLinear(start, end, length),
            _ => Cosine(length),
        };
        if (betas.Length == 0 || betas.Any(beta => beta is not (>= 0 and < 1)))
        {
            throw config.InvalidValue("betas", betas.FirstOrDefault(beta => beta is not (>= 0 and < 1)), "at least one, and each at least 0 and below 1");
        }

        var alphasCumprod = new double[betas.Length];
        double product = 1;
        for (int t = 0; t < betas.Length; t++)
        {
            product *= 1 - betas[t];
            alphasCumprod[t] = product;
        }

        // With no noise at all, or no signal before the last timestep, sigma or 1/abar is 0/0 there.
        if (!(product < 1) || (alphasCumprod.Length > 1 && !(alphasCumprod[^2] > 0)))
        {
            throw config.InvalidValue(
                "the product of all 1 - beta", product,
                "a number above 0 and below 1: beta_start, beta_end or trained_betas add no noise, or too much");
        }

        if (config.GetFlag("rescale_betas_zero_snr", false))
        {
            RescaleToZeroTerminalSignal(alphasCumprod);
        }

        return new NoiseSchedule(alphasCumprod, kind == "squaredcos_cap_v2");
    }

    /// <summary>Creates a schedule from its abar.</summary>
    /// <param name="alphasCumprod">abar by training timestep, descending.</param>
    public static NoiseSchedule FromAlphas(IReadOnlyList<double> alphasCumprod) => new([.. alphasCumprod], isCosine: false);

    /// <summary>Betas whose square roots rise evenly: "scaled_linear" of diffusers, "linear" of latent-diffusion and lvdm.</summary>
    /// <param name="start">The first beta.</param>
    /// <param name="end">The last beta.</param>
    /// <param name="length">Number of training timesteps.</param>
    public static double[] ScaledLinear(double start, double end, int length) =>
        [.. Spacing.Linspace(Math.Sqrt(start), Math.Sqrt(end), length).Select(root => root * root)];

    /// <summary>The schedule with <see cref="TinySignal"/> in place of a last value of 0, for samplers on sigma = sqrt((1 - abar)/abar).</summary>
    public NoiseSchedule WithoutExactZero() =>
        _alphasCumprod[^1] > 0 ? this : new NoiseSchedule([.. _alphasCumprod.AsSpan()[..^1], TinySignal], IsCosine);

    /// <summary>sqrt((1 - abar)/abar) by training timestep, ascending.</summary>
    public double[] Sigmas() => [.. _alphasCumprod.Select(SigmaOf)];

    public static double SigmaOf(double alphaCumprod) => Math.Sqrt((1 - alphaCumprod) / alphaCumprod);

    // Nichol and Dhariwal 2021 (arXiv 2102.09672) eq. 17, betas capped at 0.999.
    private static double[] Cosine(int length)
    {
        double Signal(double part) => Math.Pow(Math.Cos((part + 0.008) / 1.008 * Math.PI / 2), 2);
        return [.. Enumerable.Range(0, length).Select(t => Math.Min(1 - (Signal((t + 1) / (double)length) / Signal(t / (double)length)), 0.999))];
    }

    // Lin et al. 2023 (arXiv 2305.08891) algorithm 1: sqrt(abar) is shifted to end in 0 and stretched to keep its first value.
    private static void RescaleToZeroTerminalSignal(Span<double> alphasCumprod)
    {
        (double first, double last) = (Math.Sqrt(alphasCumprod[0]), Math.Sqrt(alphasCumprod[^1]));
        if (alphasCumprod.Length == 1 || first == last)
        {
            throw new InvalidDataException("rescale_betas_zero_snr needs a schedule of at least two timesteps that adds noise.");
        }

        foreach (ref double value in alphasCumprod)
        {
            double root = (Math.Sqrt(value) - last) * first / (first - last);
            value = root * root;
        }
    }
}
