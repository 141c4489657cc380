using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class UniPCMultistepTests
{
    [TestCase(1.0, 4, new[] { 999.0, 750, 500, 250 })]
    [TestCase(8.0, 4, new[] { 999.0, 960, 889, 728 })]
    [TestCase(5.0, 1, new[] { 999.0 })]
    public void TimestepsAreTruncated(double shift, int steps, double[] expected) =>
        Assert.That(Create(steps, $", \"flow_shift\": {shift}").Timesteps, Is.EqualTo(expected));

    /// <summary>1 - 1e-6 is 1 - 17/2^24 in float32.</summary>
    [Test]
    public void SigmasAreRoundedBeforeAlphaIsMadeOfThem()
    {
        IReadOnlyList<double> sigmas = Create(5, ", \"flow_shift\": 3").Sigmas;
        Assert.That(1 - sigmas[0], Is.EqualTo(17.0 / (1 << 24)));
        Assert.That(sigmas, Is.EqualTo(sigmas.Select(sigma => (double)(float)sigma)));
        Assert.That(sigmas[^1], Is.Zero);
        IReadOnlyList<double> repeated = Create(5, ", \"final_sigmas_type\": \"sigma_min\"").Sigmas;
        Assert.That((repeated.Count, repeated[^1]), Is.EqualTo((6, repeated[^2])));
    }

    /// <summary>The order is what a step asks of the history; with the corrector off that is the prediction's alone.</summary>
    [TestCase(2, "", new[] { 0, 1, 1, 1, 1, 0 })]
    [TestCase(3, "", new[] { 0, 1, 2, 2, 1, 0 })]
    [TestCase(3, ", \"lower_order_final\": false, \"final_sigmas_type\": \"sigma_min\"", new[] { 0, 1, 2, 2, 2, 2 })]
    public void TheOrderRisesAndDropsAtTheEnd(int order, string entries, int[] remembered)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler off = Create(6, $", \"solver_order\": {order}, \"disable_corrector\": [0, 1, 2, 3, 4, 5]{entries}");
        ISampler on = Create(6, $", \"solver_order\": {order}{entries}");
        Assert.That(Enumerable.Range(0, 6).Select(step => Asked(off, step)), Is.EqualTo(remembered));
        Assert.That((off.HistoryLength, on.HistoryLength), Is.EqualTo((order - 1, order)));

        // A correction is of the order of the prediction before it, and reads one clean prediction more.
        Assert.That(Enumerable.Range(1, 5).Select(step => Asked(on, step)), Is.EqualTo(remembered[..5].Select(count => count + 1)));
    }

    [Test]
    public void TheLastStepIsTheCleanPrediction([Values(1, 2, 3)] int order)
    {
        using DisposeScope scope = NewDisposeScope();
        ISampler sampler = Create(8, $", \"solver_order\": {order}");
        Tensor x = tensor(new[] { 0.5, -2 });
        SamplerStep last = sampler.Step(7, x, x * 3, [x, x, x], null);
        Assert.That(last.Sample.data<double>().ToArray(), Is.EqualTo(last.Predicted.data<double>().ToArray()));
    }

    /// <summary>
    /// The published recursion, which remembers the last corrected sample, written out. Inside a window that begins at step s everything is differentiated as
    /// it stands, and the state before it (x_s, x^c of s - 1, clean predictions) is constant.
    /// </summary>
    [Test]
    public void ValuesAndGradientsOfAWindowAreThoseOfTheRecursionOverCorrectedSamples(
        [Values(1, 2, 3)] int order, [Values("bh1", "bh2")] string variant, [Values(0, 1, 4, 7)] int first)
    {
        using DisposeScope scope = NewDisposeScope();
        UniPCMultistepScheduler.Sampler sampler = Create(8, $", \"flow_shift\": 3, \"solver_order\": {order}, \"solver_type\": \"{variant}\"");
        Tensor start = tensor(new[] { 0.8, -0.6 });
        (Tensor, Tensor) Run(Func<Func<Tensor, int, Tensor>, Tensor> run)
        {
            Tensor weight = tensor(new[] { 0.7 }).requires_grad_(true);
            Tensor end = run((x, step) => ((x * (step < first ? weight.detach() : weight)) + (0.1 * step)).tanh());
            end.pow(2).sum().backward();
            return (end.detach(), weight.grad!);
        }

        (Tensor end, Tensor gradient) = Run(predict => FlowSamplerTests.Run(sampler, start, predict)[^1]);
        (Tensor expected, Tensor slope) = Run(predict => Recursion(sampler.Sigmas, order, variant == "bh1", start, predict));
        Assert.That((end - expected).abs().max().item<double>(), Is.LessThan(1e-9));
        Assert.That((gradient - slope).abs().max().item<double>(), Is.LessThan(1e-9));
    }

    /// <summary>Normal data of deviation 2 flow along a curve that is known: more steps and higher orders come closer to it.</summary>
    [Test]
    public void OnACurveHigherOrdersAndMoreStepsLeaveSmallerErrors()
    {
        double[] errors = [.. new[] { 1, 2, 3 }.Select(order => Error(order, 80))];
        Assert.That(errors[1], Is.LessThan(errors[0] / 3));
        Assert.That(errors[2], Is.LessThan(errors[1] / 1.3));
        Assert.That(Error(2, 160), Is.LessThan(Error(2, 40) / 10), "four times the steps, about a sixteenth of the error");

        double Error(int order, int steps)
        {
            using DisposeScope scope = NewDisposeScope();
            UniPCMultistepScheduler.Sampler sampler =
                Create(steps, $", \"solver_order\": {order}, \"final_sigmas_type\": \"sigma_min\", \"lower_order_final\": false, \"flow_shift\": 3");

            // x(s) is proportional to its deviation, so dx/ds = x dV/ds / (2 V), V = 4 (1 - s)^2 + s^2.
            double Variance(double s) => (4 * (1 - s) * (1 - s)) + (s * s);
            double Slope(double s) => ((-8 * (1 - s)) + (2 * s)) / (2 * Variance(s));
            Tensor x = tensor(new[] { Math.Sqrt(Variance(sampler.Sigmas[0])) });
            Tensor end = FlowSamplerTests.Run(sampler, x, (at, step) => at * Slope(sampler.Sigmas[step]))[^1];
            return Math.Abs(end.item<double>() - Math.Sqrt(Variance(sampler.Sigmas[^1])));
        }
    }

    [TestCase("\"prediction_type\": \"epsilon\", \"use_flow_sigmas\": true", "prediction_type")]
    [TestCase("\"use_flow_sigmas\": true", "prediction_type is absent")]
    [TestCase("\"prediction_type\": \"flow_prediction\"", "use_flow_sigmas = false (absent)")]
    [TestCase(SamplerKinds.Flow + ", \"predict_x0\": false", "predict_x0")]
    [TestCase(SamplerKinds.Flow + ", \"solver_order\": 4", "solver_order")]
    [TestCase(SamplerKinds.Flow + ", \"solver_type\": \"bh3\"", "bh1, bh2")]
    [TestCase(SamplerKinds.Flow + ", \"flow_shift\": 0", "flow_shift")]
    [TestCase(SamplerKinds.Flow + ", \"flow_shift\": \"3\"", "flow_shift")]
    [TestCase(SamplerKinds.Flow + ", \"disable_corrector\": [0.5]", "disable_corrector")]
    [TestCase(SamplerKinds.Flow + ", \"disable_corrector\": [-1]", "disable_corrector")]
    [TestCase(SamplerKinds.Flow + ", \"disable_corrector\": 3", "disable_corrector")]
    [TestCase(SamplerKinds.Flow + ", \"num_train_timesteps\": 0", "num_train_timesteps")]
    [TestCase(SamplerKinds.Flow + ", \"final_sigmas_type\": \"half\"", "sigma_min")]
    [TestCase(SamplerKinds.Flow + ", \"thresholding\": true", "thresholding")]
    [TestCase(SamplerKinds.Flow + ", \"use_karras_sigmas\": true", "use_karras_sigmas")]
    [TestCase(SamplerKinds.Flow + ", \"use_dynamic_shifting\": true", "use_dynamic_shifting")]
    [TestCase(SamplerKinds.Flow + ", \"solver_p\": { }", "solver_p")]
    [TestCase(SamplerKinds.Flow + ", \"shift_terminal\": 0.02", "shift_terminal")]
    public void UnsupportedOptionsAreNamed(string body, string mentions) => Assert.That(
        () => UniPCMultistepScheduler.FromConfig(DdimTests.Json(body)),
        Throws.Exception.With.Message.Contains(mentions).And.Message.Contains("UniPCMultistepScheduler").And.Not.InstanceOf<ArgumentException>());

    [Test]
    public void AHigherOrderDoesNotReachSigmaZero() => Assert.That(
        () => Create(6, ", \"lower_order_final\": false"),
        Throws.ArgumentException.With.Message.Contains("lower_order_final").And.Message.Contains("step 6 of 6"));

    [Test]
    public void LevelsThatFloatCannotTellApartAreRefused() => Assert.That(
        () => Create(100_000, ", \"num_train_timesteps\": 1000000, \"flow_shift\": 1000"),
        Throws.ArgumentException.With.Message.Contains("fewer steps"));

    private static UniPCMultistepScheduler.Sampler Create(int steps, string entries) => (UniPCMultistepScheduler.Sampler)
        UniPCMultistepScheduler.FromConfig(DdimTests.Json(SamplerKinds.Flow + entries)).CreateSampler(steps);

    // The shortest history that a step takes.
    private static int Asked(ISampler sampler, int step)
    {
        Tensor x = ones(1, dtype: ScalarType.Float64);
        for (int count = 0; ; count++)
        {
            try
            {
                sampler.Step(step, x, x, [.. Enumerable.Repeat(x, count)], null);
                return count;
            }
            catch (ArgumentException refusal) when (refusal.ParamName == "history")
            {
            }
        }
    }

    // Predictor and corrector as they are published, with the corrected sample as state, their coefficients from a solver of linear systems.
    private static Tensor Recursion(IReadOnlyList<double> sigmas, int order, bool first, Tensor start, Func<Tensor, int, Tensor> predict)
    {
        int count = sigmas.Count - 1;
        double Lambda(int i) => Math.Log((1 - sigmas[i]) / sigmas[i]);
        var clean = new List<Tensor>();
        Tensor x = start, corrected = start;
        for (int i = 0; i < count; i++)
        {
            clean.Add(x - (predict(x, i) * sigmas[i]));
            corrected = i == 0 ? x : Advance(i - 1, Order(i - 1), corrected, clean[i]);
            x = Advance(i, Order(i), corrected, reached: null);
        }

        return x;

        int Order(int i) => Math.Min(Math.Min(order, i + 1), count - i);

        Tensor Advance(int i, int p, Tensor from, Tensor? reached)
        {
            double h = Lambda(i + 1) - Lambda(i), phi = Math.Exp(-h) - 1, b = first ? -h : phi, alpha = 1 - sigmas[i + 1];
            Tensor next = (from * (sigmas[i + 1] / sigmas[i])) - (clean[i] * (alpha * phi));
            double[] r = [.. Enumerable.Range(1, p - 1).Select(k => (Lambda(i - k) - Lambda(i)) / h), .. reached is null ? [] : new[] { 1.0 }];
            if (r.Length == 0)
            {
                return next;
            }

            var matrix = new double[r.Length, r.Length];
            var right = new double[r.Length];
            double g = (phi / -h) - 1, factorial = 1;
            for (int j = 0; j < r.Length; j++)
            {
                factorial *= j + 1;
                right[j] = factorial * g / b;
                g = (g / -h) - (1 / (factorial * (j + 2)));
                for (int k = 0; k < r.Length; k++)
                {
                    matrix[j, k] = Math.Pow(r[k], j);
                }
            }

            double[] rho = r.Length == 1 ? [0.5] : linalg.solve(tensor(matrix), tensor(right)).data<double>().ToArray();
            for (int k = 0; k < r.Length; k++)
            {
                Tensor node = k == p - 1 ? reached! : clean[i - 1 - k];
                next -= (node - clean[i]) * (alpha * b * rho[k] / r[k]);
            }

            return next;
        }
    }
}
