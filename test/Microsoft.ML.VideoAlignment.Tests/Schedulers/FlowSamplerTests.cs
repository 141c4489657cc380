using Microsoft.ML.VideoAlignment.Algorithms.RewardGradient;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What holds for every sampler on the straight path.</summary>
public class FlowSamplerTests
{
    private const int Steps = 12;

    private static IEnumerable<TestCaseData> Kinds() =>
        SamplerKinds.OfFlows.Select(kind => new TestCaseData(kind.Name, kind.Entries).SetName($"{{m}}({kind.Name}, {kind.Entries.Replace('"', ' ')})"));

    /// <summary>A velocity that is the same everywhere on the way from the noise to the clean sample leaves no solver an error.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void AStraightLineIsIntegratedExactly(string name, string entries)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SamplerKinds.Create((name, entries)).CreateSampler(Steps);
        IReadOnlyList<double> sigmas = SigmasOf(sampler);
        Tensor clean = tensor(new[] { 0.3, -1.2 }), noise = tensor(new[] { 1.0, 2.0 });
        Tensor At(double sigma) => (clean * (1 - sigma)) + (noise * sigma);
        List<Tensor> states = Run(sampler, At(sigmas[0]), (_, _) => noise - clean);
        for (int i = 0; i <= Steps; i++)
        {
            Assert.That((states[i] - At(sigmas[i])).abs().max().item<double>(), Is.LessThan(1e-11), $"after step {i}");
        }
    }

    /// <summary>The step's own derivative, with the sample and the history held.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void SensitivityIsTheDerivativeOfTheStep(string name, string entries)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SamplerKinds.Create((name, entries)).CreateSampler(Steps);
        Tensor x = ones(1, dtype: ScalarType.Float64);
        for (int step = 0; step < Steps; step++)
        {
            Tensor prediction = ones(1, dtype: ScalarType.Float64).requires_grad_(true);
            sampler.Step(step, x, prediction, [x, x, x], null).Sample.sum().backward();
            Assert.That(prediction.grad!.item<double>(), Is.EqualTo(sampler.Sensitivity(step)).Within(1e-12), $"step {step}");
        }
    }

    /// <summary>What decides which steps carry gradient is the derivative of the result by each step's prediction, later corrections included.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void TheSensitivityOfTheResultIsItsDerivative(string name, string entries)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SamplerKinds.Create((name, entries)).CreateSampler(Steps);
        Tensor[] predictions = [.. Enumerable.Range(0, Steps).Select(i => tensor(new[] { 0.3 * i }).requires_grad_(true))];
        Run(sampler, ones(1, dtype: ScalarType.Float64), (_, step) => predictions[step])[^1].sum().backward();
        Assert.That(StepSensitivity.Compute(sampler), Is.EqualTo(predictions.Select(prediction => prediction.grad!.item<double>())).Within(1e-12));
    }

    /// <summary>Through a network that is not linear, of which each step is an argument: the multistep state carries its part of the gradient.</summary>
    [TestCaseSource(nameof(Kinds))]
    public void TheGradientOfARunIsThatOfFiniteDifferences(string name, string entries)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = SamplerKinds.Create((name, entries)).CreateSampler(Steps);
        Tensor Result(Tensor weight) =>
            Run(sampler, tensor(new[] { 0.8, -0.6 }), (x, step) => ((x * weight) + (0.1 * step)).tanh())[^1].pow(2).sum();
        Tensor weight = tensor(new[] { 0.7 }).requires_grad_(true);
        Result(weight).backward();
        const double H = 1e-5;
        double difference = (Result(tensor(new[] { 0.7 + H })) - Result(tensor(new[] { 0.7 - H }))).item<double>() / (2 * H);
        Assert.That(weight.grad!.item<double>(), Is.EqualTo(difference).Within(1e-7 * Math.Max(1, Math.Abs(difference))));
    }

    [TestCaseSource(nameof(Kinds))]
    public void ARunIsFiniteAtTheEndsOfItsRange(string name, string entries)
    {
        IScheduler scheduler = SamplerKinds.Create((name, entries));
        foreach (int steps in entries.Contains("terminal", StringComparison.Ordinal) ? new[] { 2, 999, 1000 } : [1, 2, 999, 1000])
        {
            using DisposeScope scope = NewDisposeScope();
            ISampler sampler = scheduler.CreateSampler(steps);
            Assert.That(sampler.Timesteps, Has.Count.EqualTo(steps));
            Tensor end = Run(sampler, tensor(new[] { 0.7, -1.1 }), (x, step) => (x * 0.9) + (1e-3 * (step % 3)))[^1];
            Assert.That(end.isfinite().all().ToBoolean(), $"{steps} steps: {string.Join(", ", end.data<double>().ToArray())}");
        }

        Assert.That(() => scheduler.CreateSampler(1001), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("1000"));
        Assert.That(() => scheduler.CreateSampler(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    internal static IReadOnlyList<double> SigmasOf(ISampler sampler) => sampler switch
    {
        UniPCMultistepScheduler.Sampler uniPC => uniPC.Sigmas,
        FlowMatchEulerDiscreteScheduler.Sampler euler => euler.Sigmas,
        DpmSolverMultistepScheduler.Sampler solver => solver.Sigmas,
        _ => throw new ArgumentException(sampler.GetType().Name, nameof(sampler)),
    };

    /// <summary>x_0 to x_S.</summary>
    internal static List<Tensor> Run(ISampler sampler, Tensor start, Func<Tensor, int, Tensor> predict, int from = 0, List<Tensor>? history = null)
    {
        List<Tensor> states = [start];
        history ??= [];
        for (int step = from; step < sampler.Timesteps.Count; step++)
        {
            SamplerStep next = sampler.Step(step, states[^1], predict(states[^1], step), history, null);
            states.Add(next.Sample);
            history = [.. history.Append(next.Predicted).TakeLast(sampler.HistoryLength)];
        }

        return states;
    }
}
