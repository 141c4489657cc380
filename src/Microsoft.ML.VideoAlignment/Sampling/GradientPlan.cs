namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What one denoising step does with gradient. Default: nothing is recorded.</summary>
/// <param name="Network">The prediction carries gradient into the adapters (and, unless detached, into the network's input).</param>
/// <param name="DetachInput">The network sees stop-gradient(x_i); the sampler's own path from x_i to x_{i+1} is untouched (DRTune).</param>
/// <param name="Sampler">The step from x_i to x_{i+1} is recorded.</param>
internal readonly record struct StepGradient(bool Network, bool DetachInput, bool Sampler);

/// <summary>
/// For every step of a sampling run, in sampling order, what it does with gradient, and where the run stops. Windows (which steps to choose, and why)
/// are the trainer's business; the loop only obeys.
/// </summary>
internal sealed class GradientPlan
{
    private readonly StepGradient[] _steps;

    private GradientPlan(StepGradient[] steps, int? stop)
    {
        _steps = steps;
        Stop = stop;
    }

    /// <summary>Number of sampler steps.</summary>
    public int Count => _steps.Length;

    /// <summary>The step whose clean prediction is the result, later ones not being run; null: run to the end.</summary>
    public int? Stop { get; }

    /// <summary>What a step does with gradient.</summary>
    /// <param name="step">Its index, 0 = noisiest.</param>
    public StepGradient this[int step] => _steps[step];

    /// <summary>Steps in which the network carries gradient.</summary>
    public IEnumerable<int> GradientSteps => Enumerable.Range(0, Count).Where(step => _steps[step].Network && (Stop is null || step <= Stop));

    /// <summary>Makes a plan of as many steps and the same stop in which nothing is recorded.</summary>
    public GradientPlan WithoutGradient() => new(new StepGradient[Count], Stop);

    /// <summary>Makes a plan in which no step carries gradient: generation.</summary>
    /// <param name="steps">Number of sampler steps.</param>
    public static GradientPlan None(int steps) => new(new StepGradient[steps], stop: null);

    /// <summary>Makes a plan in which the last steps carry everything and earlier ones nothing: x_start is a constant (VADER, AlignProp).</summary>
    /// <param name="steps">Number of sampler steps.</param>
    /// <param name="start">The first step that carries gradient.</param>
    /// <param name="stop">See <see cref="Stop"/>.</param>
    public static GradientPlan Suffix(int steps, int start, int? stop = null) =>
        new([.. Enumerable.Range(0, steps).Select(step => step >= start ? new StepGradient(true, false, true) : default)], stop);

    /// <summary>
    /// Makes a plan in which the network carries gradient in chosen steps and is a constant in all others; the sampler's path is recorded throughout,
    /// so that a gradient step reaches the result past constant ones.
    /// </summary>
    /// <param name="steps">Number of sampler steps.</param>
    /// <param name="withGradient">The chosen steps.</param>
    /// <param name="detachInput">See <see cref="StepGradient.DetachInput"/>.</param>
    /// <param name="stop">See <see cref="Stop"/>.</param>
    public static GradientPlan Chosen(int steps, IReadOnlySet<int> withGradient, bool detachInput, int? stop = null) =>
        new([.. Enumerable.Range(0, steps).Select(step => new StepGradient(withGradient.Contains(step), detachInput, true))], stop);
}
