using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// Euler's method on the straight path x_s = (1 - s) x_0 + s noise (Esser et al. 2024, arXiv 2403.03206), as diffusers' FlowMatchEulerDiscreteScheduler; the
/// networks predict the velocity noise - x_0.
/// </summary>
/// <remarks>
/// Defaults of absent keys: shift 1, no dynamic shifting (exponential where it is on), no terminal, deterministic. The class's own levels run down to the
/// smallest level of its training table, which is shifted already, and are then shifted again: as in the reference.
/// </remarks>
internal sealed class FlowMatchEulerDiscreteScheduler : INoiseLevelScheduler
{
    private readonly double _shift;
    private readonly bool _isDynamic;
    private readonly bool _isExponential;
    private readonly double? _terminal;
    private readonly bool _stochastic;

    private FlowMatchEulerDiscreteScheduler(SchedulerConfig config)
    {
        // A file of this class does not say what its networks predict; one of another class does, and epsilon where it is silent.
        config.Require(
            "prediction_type", "flow_prediction",
            otherwise: config.IsOfClass(nameof(FlowMatchEulerDiscreteScheduler)) ? "flow_prediction" : "epsilon");
        config.RequireOff("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "invert_sigmas");
        TrainTimesteps = config.GetInteger("num_train_timesteps", 1000, minimum: 1, SchedulerConfig.MaxTrainTimesteps);
        _shift = FlowPath.ReadShift(config, "shift", "flow_shift");
        _isDynamic = config.GetFlag("use_dynamic_shifting", false);
        _isExponential = config.GetChoice("time_shift_type", "exponential", "exponential", "linear") == "exponential";
        _stochastic = config.GetFlag("stochastic_sampling", false);
        double terminal = config.GetNumber("shift_terminal", 0);
        _terminal = terminal is >= 0 and < 1 ? (terminal == 0 ? null : terminal)
            : throw config.InvalidValue("shift_terminal", terminal, "a noise level, at least 0 (off) and below 1");
    }

    public string Name => "FlowMatchEulerDiscreteScheduler";

    public int TrainTimesteps { get; }

    public static FlowMatchEulerDiscreteScheduler FromConfig(JsonElement json) => new(new SchedulerConfig(json, nameof(FlowMatchEulerDiscreteScheduler)));

    /// <summary>Creates the sampler of one run on the class's own levels.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="eta">Ignored.</param>
    /// <exception cref="InvalidOperationException">The file shifts the levels by the size of the video (use_dynamic_shifting).</exception>
    public ISampler CreateSampler(int steps, double eta = 0) => Create(OwnLevels(steps), mu: null);

    /// <summary>Creates the sampler of one run on the class's own levels, shifted by the size of the video.</summary>
    /// <param name="steps">S, between 1 and the number of training timesteps.</param>
    /// <param name="mu">The shift: its exponential, or with time_shift_type linear itself, which must be above 0 then.</param>
    public ISampler CreateShiftedSampler(int steps, double mu) => Create(OwnLevels(steps), mu);

    /// <summary>Creates the sampler of a run through the caller's own noise levels, which the file's shift still moves, once.</summary>
    /// <param name="sigmas">S + 1 noise levels before they are shifted, descending from at most 1 to 0, such as 1, 0.75, 0.5, 0.25, 0.</param>
    /// <exception cref="ArgumentException">There are fewer than two levels, or they do not fall, or they begin above 1, or do not end at 0.</exception>
    public ISampler CreateSampler(IReadOnlyList<double> sigmas) => CreateSampler(sigmas, mu: null);

    /// <inheritdoc cref="CreateSampler(IReadOnlyList{double})"/>
    /// <param name="sigmas">S + 1 noise levels before they are shifted, descending from at most 1 to 0.</param>
    /// <param name="mu">As in <see cref="CreateShiftedSampler"/>; null: the file's shift is fixed.</param>
    public ISampler CreateSampler(IReadOnlyList<double> sigmas, double? mu)
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        if (sigmas.Count < 2 || !(sigmas[0] <= 1) || sigmas[^1] != 0 || Enumerable.Range(1, sigmas.Count - 1).Any(i => !(sigmas[i] < sigmas[i - 1])))
        {
            throw new ArgumentException(
                "sigmas: expected at least two noise levels that fall, from at most 1 to 0 (such as 1, 0.75, 0.5, 0.25, 0 for four steps), "
                + $"got {string.Join(", ", sigmas.Select(static sigma => $"{sigma}"))}.", nameof(sigmas));
        }

        return Create([.. sigmas.SkipLast(1).Select(static sigma => (double)(float)sigma)], mu);
    }

    /// <summary>Noises clean samples: (1 - t/train) clean + t/train noise.</summary>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">Standard normal [B, ...].</param>
    /// <param name="timesteps">[B], from 0 to <see cref="TrainTimesteps"/>.</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    public Tensor AddNoise(Tensor clean, Tensor noise, Tensor timesteps)
    {
        using Tensor levels = timesteps.Div(TrainTimesteps);
        return FlowPath.AddNoise(clean, noise, levels);
    }

    private double[] OwnLevels(int steps)
    {
        Spacing.RequireSteps(steps, TrainTimesteps, Name);
        double least = 1.0 / TrainTimesteps;
        return Spacing.Linspace(1, _isDynamic ? least : FlowPath.Shift(least, _shift), steps);
    }

    private Sampler Create(double[] levels, double? mu)
    {
        double factor = Factor(mu);
        double[] shifted = [.. levels.Select(level => FlowPath.Shift(level, factor))];
        if (_terminal is { } terminal)
        {
            shifted = Stretch(shifted, terminal);
        }

        double[] sigmas = [.. shifted.Select(static sigma => (double)(float)sigma)];
        return new Sampler([.. sigmas.Select(sigma => (double)(float)(sigma * TrainTimesteps))], [.. sigmas, 0], _stochastic);
    }

    private double Factor(double? mu)
    {
        if (_isDynamic == mu is null)
        {
            throw new InvalidOperationException(_isDynamic
                ? $"{Name}: this file shifts its noise levels by the size of the video (use_dynamic_shifting); pass mu."
                : $"{Name}: mu is {mu}, but this file's shift is fixed, {_shift}; pass none, or a file with use_dynamic_shifting.");
        }

        double factor = mu is not { } size ? _shift : _isExponential ? Math.Exp(size) : size;
        return factor > 0 && double.IsFinite(factor) ? factor
            : throw new ArgumentOutOfRangeException(nameof(mu), mu, $"{Name}: expected a shift above 0, mu gives {factor}.");
    }

    // 1 - (1 - s)(1 - e)/(1 - s_last): the last level becomes e, the first stays.
    private double[] Stretch(double[] levels, double terminal)
    {
        double scale = (1 - levels[^1]) / (1 - terminal);
        return scale > 0 ? [.. levels.Select(level => 1 - ((1 - level) / scale))] : throw new ArgumentException(
            $"{Name}: shift_terminal {terminal} moves the last level of a run, and a run of one step has only the level {levels[^1]}. Take more steps.");
    }

    /// <summary>One run: timesteps and the S + 1 sigmas, by position in the list.</summary>
    /// <param name="timesteps">S timesteps, descending.</param>
    /// <param name="sigmas">S + 1 noise levels, descending to 0.</param>
    /// <param name="stochastic">Whether each step goes to the clean prediction and noises it again.</param>
    internal sealed class Sampler(double[] timesteps, double[] sigmas, bool stochastic) : ISampler
    {
        public IReadOnlyList<double> Timesteps => timesteps;

        /// <summary>S + 1 noise levels; step i goes from level i to level i + 1.</summary>
        public IReadOnlyList<double> Sigmas => sigmas;

        public double InitialNoiseSigma => 1;

        public int HistoryLength => 0;

        public bool NeedsNoise(int step) => stochastic && sigmas[step + 1] > 0;

        public double Sensitivity(int step) => stochastic ? (sigmas[step + 1] - 1) * sigmas[step] : sigmas[step + 1] - sigmas[step];

        public Tensor ScaleInput(Tensor sample, int step) => sample.alias();

        public SamplerStep Step(int step, Tensor sample, Tensor prediction, IReadOnlyList<Tensor> history, Tensor? noise)
        {
            LinearStep.RequireStep(step, timesteps.Length);
            (double sigma, double after) = (sigmas[step], sigmas[step + 1]);
            Tensor clean = LinearStep.Combine((1, sample), (-sigma, prediction));
            if (!stochastic)
            {
                return new SamplerStep(LinearStep.Combine((1, sample), (after - sigma, prediction)), clean);
            }

            LinearStep.RequireNoise(after, noise, step);
            return new SamplerStep(LinearStep.Combine((1 - after, clean), (after, noise)), clean);
        }
    }
}
