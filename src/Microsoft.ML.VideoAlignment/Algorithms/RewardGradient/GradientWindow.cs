using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which denoising steps carry the reward's gradient. Steps are counted in sampling order from 0, the noisiest.
/// </summary>
/// <remarks>
/// Both branches of the guidance carry gradient in every window. The forward values do not depend on the window, except that <see cref="SingleStep"/> and
/// <see cref="DrTune"/> stop early.
/// </remarks>
public abstract record GradientWindow
{
    private GradientWindow()
    {
    }

    /// <summary>
    /// The last steps; the latents at the first of them are a constant (DRaFT-K, arXiv 2309.17400; VADER, arXiv 2407.08737, section 4).
    /// </summary>
    /// <param name="count">How many, at least 1: 1 is VADER's default, the number of sampler steps is full back-propagation.</param>
    public static GradientWindow LastSteps(int count) => new Last(count);

    /// <summary>All steps from a start to the end (VADER's <c>specific</c>).</summary>
    /// <param name="start">The first step with gradient, at least 0.</param>
    public static GradientWindow FromStep(int start) => new From(start);

    /// <summary>All steps from a start that is drawn uniformly at each training step (VADER's <c>rand</c>, AlignProp's random truncation).</summary>
    public static GradientWindow RandomStart() => new Random();

    /// <summary>
    /// One step alone, whose clean prediction is decoded; later steps are not run (ReFL, arXiv 2304.05977; VADER's <c>decode_og</c>).
    /// </summary>
    /// <param name="step">The step, at least 0.</param>
    public static GradientWindow SingleStep(int step) => new Single(step);

    /// <summary>
    /// The last step, several times: further copies of the finished latents are noised to the last step's level, denoised once with gradient, decoded and
    /// scored, and the gradient is the mean over all of them (DRaFT-LV, arXiv 2309.17400, section 4.3, with 2).
    /// </summary>
    /// <remarks>
    /// It costs copies - 1 more reward queries and gradient steps, but no more sampling. For models whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise:
    /// ModelScope and VideoCrafter.
    /// </remarks>
    /// <param name="copies">How often the last step carries gradient, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of copies is below 1.</exception>
    public static GradientWindow LowVariance(int copies = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(copies, 1);
        return new LastCopies(copies);
    }

    /// <summary>
    /// Given steps, in which the network carries gradient with its input detached; the sampler's path is kept, and the clean prediction of a last step is
    /// decoded (DRTune, arXiv 2405.00760).
    /// </summary>
    /// <param name="steps">The steps with gradient, at least one, none after <paramref name="stop"/>.</param>
    /// <param name="stop">The last step, whose clean prediction is decoded.</param>
    public static GradientWindow DrTune(IReadOnlyList<int> steps, int stop)
    {
        ArgumentNullException.ThrowIfNull(steps);
        return new Tuned(new NumberList(steps), stop);
    }

    /// <summary>The given steps and no others; elsewhere the network is a constant and the sampler's path is kept.</summary>
    /// <param name="steps">The steps with gradient, at least one.</param>
    public static GradientWindow Steps(params IReadOnlyList<int> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        return new Set(new NumberList(steps));
    }

    /// <summary>
    /// The steps whose predictions move the final latents most, and no others; elsewhere the network is a constant and the sampler's path is kept.
    /// </summary>
    /// <remarks>
    /// For samplers whose last step is nearly inert, such as Stable Video Diffusion's: of its 25 steps the last one moves the latents by 0.002 of a change in
    /// its prediction, step 17 by 0.29.
    /// </remarks>
    /// <param name="count">How many, at least 1.</param>
    public static GradientWindow MostSensitive(int count = 1) => new Sensitive(count);

    /// <summary>
    /// Formats a table for people: for each sampler step its time step, how strongly the final latents react to a change in its prediction (known from the
    /// sampler alone), and whether it carries gradient in this window.
    /// </summary>
    /// <param name="model">The model, whose sampler is used.</param>
    /// <param name="samplingSteps">Sampler steps; null: the model's usual number.</param>
    /// <param name="sampler">The class name of another sampler, as in <see cref="VideoSamplingOptions.Sampler"/>; null: the model's own.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit the number of steps.</exception>
    public string Describe(VideoDiffusionModel model, int? samplingSteps = null, string? sampler = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        SamplingDefaults usual = model.DefaultSampling;
        ISampler run = model.CreateSampler(new SamplingSettings
        {
            Size = model.DefaultSize,
            Steps = samplingSteps ?? usual.Steps,
            GuidanceScale = usual.GuidanceScale,
            Eta = usual.Eta,
            Sampler = sampler,
        });
        HashSet<int> withGradient = [.. Resolve(run, static _ => 0).GradientSteps];
        double[] sensitivity = StepSensitivity.Compute(run);
        var text = new StringBuilder($"{"step",4} {"time step",10} {"d(latents)/d(prediction)",25}\n");
        for (int step = 0; step < run.Timesteps.Count; step++)
        {
            string mark = withGradient.Contains(step) ? "  with gradient" : "";
            text.Append(CultureInfo.InvariantCulture, $"{step,4} {run.Timesteps[step],10:0.###} {sensitivity[step],25:0.0000}{mark}\n");
        }

        return text.ToString();
    }

    /// <summary>How often the last step carries gradient, each time from other noise; 1 except for <see cref="LowVariance"/>.</summary>
    internal int Copies => this is LastCopies(var copies) ? copies : 1;

    /// <summary>Makes the plan of a run with a given sampler, as <see cref="MostSensitive"/> needs.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="draw">Draws a uniform integer in [0, argument).</param>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit the number of steps.</exception>
    internal GradientPlan Resolve(ISampler sampler, Func<int, int> draw)
    {
        int steps = sampler.Timesteps.Count;
        if (this is not Sensitive(var count))
        {
            return Resolve(steps, draw);
        }

        double[] sensitivity = StepSensitivity.Compute(sampler);
        IEnumerable<int> strongest = Enumerable.Range(0, steps).OrderByDescending(step => Math.Abs(sensitivity[step]));
        return GradientPlan.Chosen(steps, strongest.Take(Within(count, 1, steps, "the number of steps", steps)).ToHashSet(), detachInput: false);
    }

    /// <summary>Makes the plan of a run: what each of its sampler steps does.</summary>
    /// <param name="steps">Sampler steps of the run.</param>
    /// <param name="draw">Draws a uniform integer in [0, argument).</param>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit the number of steps.</exception>
    internal GradientPlan Resolve(int steps, Func<int, int> draw) => this switch
    {
        LastCopies => GradientPlan.Suffix(steps, steps - 1),
        Last(var count) => GradientPlan.Suffix(steps, steps - Within(count, 1, steps, "the number of last steps", steps)),
        From(var start) => GradientPlan.Suffix(steps, Within(start, 0, steps - 1, "the start step", steps)),
        Random => GradientPlan.Suffix(steps, draw(steps)),
        Single(var step) => GradientPlan.Suffix(steps, Within(step, 0, steps - 1, "the step", steps), stop: step),
        Tuned(var set, var stop) => GradientPlan.Chosen(
            steps, Checked(set, Within(stop, 0, steps - 1, "the stop step", steps), steps), detachInput: true, stop),
        Set(var set) => GradientPlan.Chosen(steps, Checked(set, steps - 1, steps), detachInput: false),
        _ => throw new NotSupportedException(GetType().Name),
    };

    private static HashSet<int> Checked(NumberList set, int last, int steps)
    {
        if (set.Count == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(set), "The gradient window names no step; name at least one.");
        }

        return [.. set.Select(step => Within(step, 0, last, "a step of the window", steps))];
    }

    private static int Within(int value, int low, int high, string what, int steps) =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                nameof(value), value,
                string.Create(CultureInfo.InvariantCulture, $"Gradient window: {what} must be {low} to {high} for {steps} sampler steps, got {value}."));

    private sealed record Last(int Count) : GradientWindow
    {
        public override string ToString() => $"the last {Count}";
    }

    private sealed record LastCopies(int Number) : GradientWindow
    {
        public override string ToString() => $"the last step, {Number} times";
    }

    private sealed record From(int Start) : GradientWindow
    {
        public override string ToString() => $"steps {Start} and later";
    }

    private sealed record Random : GradientWindow
    {
        public override string ToString() => "the steps from a random one on";
    }

    private sealed record Single(int Step) : GradientWindow
    {
        public override string ToString() => $"step {Step}, scored there";
    }

    private sealed record Tuned(NumberList WithGradient, int Stop) : GradientWindow
    {
        public override string ToString() => $"steps {WithGradient}, scored at step {Stop}";
    }

    private sealed record Set(NumberList WithGradient) : GradientWindow
    {
        public override string ToString() => $"steps {WithGradient}";
    }

    private sealed record Sensitive(int Count) : GradientWindow
    {
        public override string ToString() => $"the {Count} that move the video most";
    }
}
