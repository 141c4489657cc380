using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;

/// <summary>
/// Compares the gradient of <see cref="RewardGradientTrainer"/> with difference quotients of its loss, which the same trainer computes by the same code.
/// </summary>
/// <remarks>
/// What the window makes constant (predictions of steps outside it, inputs that are detached, frames with which later segments begin) keeps its value at the
/// point itself (<see cref="ConstantRecorder"/>): the quotient is that of the function whose derivative the gradient is. With a full window nothing is
/// constant but the moments of a normalized sum, and the quotient is the loss's own. Scores are those that the reward reports: what a reward leaves out of its
/// gradient is not held (<see cref="StopGradient.Cut"/>), and the comparison fails.
/// </remarks>
internal sealed class GradientProof
{
    /// <summary>
    /// The errors of a direction that is nearly orthogonal to the gradient are relative to this share of the derivative that a direction of its length has on
    /// average.
    /// </summary>
    private const double LeastShare = 0.1;

    /// <summary>
    /// Where the loss hardly changes, steps are up to <see cref="MostLonger"/> times longer, so that it changes by this share of itself: rounding is 1e-16 of
    /// it.
    /// </summary>
    private const double LeastChange = 1e-7, MostLonger = 100;

    private readonly LoraAdapters _adapters;
    private readonly RewardGradientTrainer _trainer, _gradientTrainer;
    private readonly ProofSetup _setup;
    private readonly IReadOnlyList<VideoPrompt> _prompts;
    private readonly GradientCheckOptions _options;
    private readonly GradientFault? _fault;

    /// <summary>The gradient plans of the micro-batches.</summary>
    private readonly List<GradientPlan> _plans = [];

    /// <summary>Prepares a comparison; everything is in float64.</summary>
    /// <param name="trainer">The trainer that computes losses, made from the other arguments.</param>
    /// <param name="gradientTrainer">
    /// The trainer that back-propagates the batches that <paramref name="trainer"/> draws: the same one, or one of the fault's setup.
    /// </param>
    /// <param name="adapters">The trainer's adapters, none of whose factors is zero.</param>
    /// <param name="setup">What the trainer was made of.</param>
    /// <param name="prompts">The prompts that batches are drawn from.</param>
    /// <param name="options">Directions, parts and tolerance.</param>
    /// <param name="fault">The fault to inject into the gradient; null: none.</param>
    public GradientProof(
        RewardGradientTrainer trainer, RewardGradientTrainer gradientTrainer, LoraAdapters adapters, ProofSetup setup, IReadOnlyList<VideoPrompt> prompts,
        GradientCheckOptions options, GradientFault? fault)
    {
        (_trainer, _gradientTrainer, _adapters) = (trainer, gradientTrainer, adapters);
        (_setup, _prompts, _options, _fault) = (setup, prompts, options, fault);
    }

    /// <summary>Runs the comparison.</summary>
    public GradientCheckReport Run()
    {
        using DisposeScope scope = NewDisposeScope();
        using var held = new ConstantRecorder();
        var rows = new List<GradientCheckRow>();
        double loss = Loss(held);
        (double lossWithGradient, IReadOnlyDictionary<string, Tensor> gradient) = Gradient();
        rows.Add(Same("loss of the run with gradient", lossWithGradient, loss));
        rows.Add(Constants(held));
        using var generator = new Generator(unchecked((ulong)_options.Seed));
        double norm = AdapterDirection.Norm(gradient.Values);
        rows.Add(new GradientCheckRow(
            "gradient is not zero", norm, norm, norm > 0 || _setup.Run.Reward.Contract.GradientMayVanish ? 0 : double.NaN, 0,
            norm > 0 ? "" : "nothing can be compared: no gradient reaches the adapters"));
        foreach (Func<AdapterDirection> make in Directions(gradient, generator))
        {
            using AdapterDirection direction = make();
            rows.Add(Compare(direction, gradient, held, loss));
        }

        return new GradientCheckReport(loss, norm, rows);
    }

    /// <summary>Back-propagates the micro-batches of one step.</summary>
    /// <returns>The loss, and copies of the factors' gradients by name; a factor without gradient is left out.</returns>
    public (double Loss, IReadOnlyDictionary<string, Tensor> Gradient) Gradient()
    {
        _setup.Run.Reward.BeginTraining();
        _plans.Clear();
        double loss = Step(rollout =>
        {
            _plans.Add(rollout.First.Plan);
            return _gradientTrainer.Backward(_fault?.Rollout?.Invoke(rollout) ?? rollout);
        }).Loss;
        return (loss, AdapterGradient.CopyAndClear(_adapters));
    }

    private static GradientCheckRow Same(string name, double first, double second) =>
        new(name, first, second, Math.Abs(first - second) / Math.Max(Math.Abs(second), double.Epsilon), 1e-12, "");

    // The loop must have recorded exactly the window's constants, neither more (a lost gradient) nor fewer.
    private GradientCheckRow Constants(ConstantRecorder held)
    {
        int run = _plans.Sum(plan => plan.Stop + 1 ?? plan.Count), withGradient = _plans.Sum(plan => plan.GradientSteps.Count());
        int detached = _plans.Sum(plan => plan.GradientSteps.Count(step => plan[step].DetachInput));
        (int predictions, int inputs) = (held.Count(Denoising.HeldPrediction), held.Count(Denoising.HeldInput));
        bool one = _setup.Run.Sampling.SegmentCount == 1;
        bool right = !one || (predictions == run - withGradient && inputs == detached);
        return new GradientCheckRow(
            "constants are the window's", run - withGradient + detached, predictions + inputs, right ? 0 : double.NaN, 0,
            one
                ? $"{predictions} predictions, {inputs} inputs of {run} steps"
                : $"{predictions} predictions, {inputs} inputs; not counted for videos of several segments");
    }

    private GradientCheckRow Compare(AdapterDirection direction, IReadOnlyDictionary<string, Tensor> gradient, ConstantRecorder held, double loss)
    {
        double analytic = direction.Derivative(gradient);
        double typical = direction.GradientNorm(gradient) * direction.Length() / Math.Sqrt(direction.Size), least = LeastShare * typical;
        double step = typical > 0 ? Math.Clamp(LeastChange * Math.Abs(loss) / typical, _options.StepSize, MostLonger * _options.StepSize) : _options.StepSize;
        double Scale(double numeric) => Math.Max(Math.Max(Math.Abs(analytic), Math.Abs(numeric)), least);
        DifferenceQuotient numeric = DifferenceQuotient.Search(
            amount =>
            {
                direction.Move(amount);
                return Loss(held);
            },
            loss, step, value => _options.Tolerance * Math.Max(Math.Abs(value), least));
        double scale = Scale(numeric.Value);
        double error = scale > 0 ? Math.Abs(analytic - numeric.Value) / scale : 0;
        bool kink = numeric.Disagreement > _options.Tolerance * scale;
        string note = error <= _options.Tolerance ? ""
            : numeric.Value == 0 ? "the loss does not change at all: it does not depend on the adapters, or is rounded to float32"
            : kink ? $"the quotients of two steps disagree by {numeric.Disagreement / scale:e0}: a kink is near, or something computes in float32"
            : "";
        return new GradientCheckRow(direction.Name, analytic, numeric.Value, error, _options.Tolerance, note) { NearKink = kink };
    }

    private IEnumerable<Func<AdapterDirection>> Directions(IReadOnlyDictionary<string, Tensor> gradient, Generator generator)
    {
        for (int i = 1; i <= _options.Directions; i++)
        {
            string name = $"all adapters {i}";
            yield return () => AdapterDirection.CreateRandom(name, _adapters, _ => true, generator);
        }

        if (_options.AlongGradient)
        {
            yield return () => AdapterDirection.CreateAlongGradient("along the gradient", _adapters, gradient);
        }

        string[] layers = [.. _adapters.Layers.Select(layer => layer.Name)];
        new System.Random(_options.Seed).Shuffle(layers);
        (string Name, Func<string, bool> Among)[] parts =
        [
            ("lower factors", name => name.Contains("lora_A", StringComparison.Ordinal)),
            ("upper factors", name => name.Contains("lora_B", StringComparison.Ordinal)),
            .. layers.Select(layer => ($"layer {layer}", (Func<string, bool>)(name => name.StartsWith($"{layer}.lora_", StringComparison.Ordinal)))),
        ];
        foreach ((string name, Func<string, bool> among) in parts.Take(_options.Parts))
        {
            yield return () => AdapterDirection.CreateRandom(name, _adapters, among, generator);
        }
    }

    private double Loss(ConstantRecorder held)
    {
        using DisposeScope scope = NewDisposeScope();
        _setup.Run.Reward.BeginTraining();
        return held.Run(() => Step(_trainer.Forward).Loss);
    }

    // The first step of the seed, drawn again each time, since its noise comes from a stream.
    private StepOutcome Step(Func<Rollout, RolloutResult> run)
    {
        using var draws = new TrainingRandom(_prompts, unchecked((ulong)_options.Seed));
        return _trainer.Accumulate(draws, run);
    }
}
