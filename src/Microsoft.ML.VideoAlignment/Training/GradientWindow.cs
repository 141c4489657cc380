using System.Globalization;
using System.Text;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Training;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which denoising steps carry the reward's gradient. Steps are counted in sampling order, 0 = noisiest. Both branches of the guidance carry gradient
/// in every window. The forward values do not depend on the window, except that <see cref="SingleStep"/> and <see cref="DrTune"/> stop early.
/// </summary>
public abstract record GradientWindow
{
    private GradientWindow()
    {
    }

    /// <summary>
    /// The last <paramref name="count"/> steps; x at the first of them is a constant. 1 is VADER's default, the number of sampler steps is full
    /// back-propagation (DRaFT-K, arXiv 2309.17400; VADER, arXiv 2407.08737, section 4).
    /// </summary>
    public static GradientWindow LastSteps(int count) => new Last(count);

    /// <summary>All steps from <paramref name="start"/> to the end (VADER's <c>specific</c>).</summary>
    public static GradientWindow FromStep(int start) => new From(start);

    /// <summary>All steps from a start that is drawn uniformly at each training step (VADER's <c>rand</c>, AlignProp's random truncation).</summary>
    public static GradientWindow RandomStart() => new Random();

    /// <summary>Step <paramref name="step"/> alone; its clean prediction is decoded and later steps are not run (ReFL, arXiv 2304.05977; VADER's <c>decode_og</c>).</summary>
    public static GradientWindow SingleStep(int step) => new Single(step);

    /// <summary>
    /// The last step, and <paramref name="copies"/> - 1 times more: the finished latents are noised anew to the last step's level, denoised once with gradient, decoded and
    /// scored; the gradient is the mean over all of them (DRaFT-LV, arXiv 2309.17400, section 4.3, which takes 2). Costs copies - 1 reward queries and gradient steps more, and no
    /// sampling. For models whose latents are sqrt(abar) x_0 + sqrt(1 - abar) noise: ModelScope and VideoCrafter.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than one.</exception>
    public static GradientWindow LowVariance(int copies = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(copies, 1);
        return new LastCopies(copies);
    }

    /// <summary>
    /// The network carries gradient in <paramref name="steps"/> with its input detached, the sampler's path is kept, and the clean prediction of step
    /// <paramref name="stop"/> is decoded (DRTune, arXiv 2405.00760).
    /// </summary>
    public static GradientWindow DrTune(IReadOnlyList<int> steps, int stop) => new Tuned([.. steps], stop);

    /// <summary>The given steps and no others; elsewhere the network is a constant and the sampler's path is kept.</summary>
    public static GradientWindow Steps(params IReadOnlyList<int> steps) => new Set([.. steps]);

    /// <summary>
    /// The <paramref name="count"/> steps whose predictions move the final latents most, and no others; elsewhere the network is a constant and the
    /// sampler's path is kept. For samplers whose last step is nearly inert, as Stable Video Diffusion's: of its 25 steps the last one moves the latents by
    /// 0.002 of a change in its prediction, step 17 by 0.29.
    /// </summary>
    public static GradientWindow MostSensitive(int count = 1) => new Sensitive(count);

    /// <summary>
    /// A table for people: of each sampler step its time step, how strongly the final latents react to a change in its prediction (known from the sampler alone),
    /// and whether this window grades it.
    /// </summary>
    /// <param name="model">Whose sampler is asked.</param>
    /// <param name="inferenceSteps">Sampler steps; null: the model's usual number.</param>
    /// <param name="sampler">Another sampler's class name, as <see cref="VideoAlignmentOptions.Sampler"/>; null: the model's own.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit into the run.</exception>
    public string Describe(VideoDiffusionModel model, int? inferenceSteps = null, string? sampler = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        SamplingDefaults usual = model.DefaultSampling;
        ISampler run = model.CreateSampler(new SamplingSettings
        {
            Size = model.DefaultSize,
            Steps = inferenceSteps ?? usual.Steps,
            GuidanceScale = usual.GuidanceScale,
            Eta = usual.Eta,
            SamplerName = sampler,
        });
        HashSet<int> withGradient = [.. Resolve(run, static _ => 0).GradientSteps];
        double[] sensitivity = StepSensitivity.Compute(run);
        var text = new StringBuilder($"{"step",4} {"time step",10} {"d(latents)/d(prediction)",25}\n");
        for (int step = 0; step < run.Timesteps.Count; step++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{step,4} {run.Timesteps[step],10:0.###} {sensitivity[step],25:0.0000}{(withGradient.Contains(step) ? "  graded" : "")}\n");
        }

        return text.ToString();
    }

    /// <summary>How often the last step is graded, each time from other noise.</summary>
    internal int Copies => this is LastCopies(var copies) ? copies : 1;

    /// <summary>As the other overload, for a run of this sampler; windows that look at it need this one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit into the run.</exception>
    internal GradientPlan Resolve(ISampler sampler, Func<int, int> draw)
    {
        int steps = sampler.Timesteps.Count;
        if (this is not Sensitive(var count))
        {
            return Resolve(steps, draw);
        }

        double[] sensitivity = StepSensitivity.Compute(sampler);
        return GradientPlan.Chosen(
            steps, Enumerable.Range(0, steps).OrderByDescending(step => Math.Abs(sensitivity[step])).Take(Within(count, 1, steps, "the number of steps", steps)).ToHashSet(),
            detachInput: false);
    }

    /// <summary>What every step of a run over <paramref name="steps"/> sampler steps does. <paramref name="draw"/>: uniform integer below its argument.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The window does not fit into the run.</exception>
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

    private static HashSet<int> Checked(int[] set, int last, int steps)
    {
        if (set.Length == 0)
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

    private sealed record Last(int Count) : GradientWindow;

    private sealed record LastCopies(int Number) : GradientWindow;

    private sealed record From(int Start) : GradientWindow;

    private sealed record Random : GradientWindow;

    private sealed record Single(int Step) : GradientWindow;

    private sealed record Tuned(int[] WithGradient, int Stop) : GradientWindow;

    private sealed record Set(int[] WithGradient) : GradientWindow;

    private sealed record Sensitive(int Count) : GradientWindow;
}
