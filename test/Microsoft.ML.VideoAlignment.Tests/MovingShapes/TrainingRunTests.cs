using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A training that was broken off and continued must end in the weights of an unbroken one.</summary>
public sealed class TrainingRunTests
{
    // The first convolution of the middle has 9 x 24 x 24 = 5184 numbers, enough for Muon.
    private static readonly AutoencoderKLConfig s_config = new() { BlockOutChannels = [4, 24], NormGroups = 2, LatentChannels = 2, ScalingFactor = 1 };

    [TestCase(0)]
    [TestCase(0.02)]
    public void ContinuedEqualsUnbroken(double matrixRate)
    {
        string folder = Directory.CreateTempSubdirectory("moving-shapes-").FullName;
        try
        {
            var plan = new TrainingPlan
            {
                Steps = 6,
                PeakRate = 1e-2,
                MatrixRate = matrixRate,
                WarmUp = 2,
                AverageKeep = 0.9,
                SaveEvery = 3,
                WeightDecay = 0.01,
            };
            float[] whole = Train(Path.Combine(folder, "whole.state"), plan, until: 6);
            string broken = Path.Combine(folder, "broken.state");
            float[] half = Train(broken, plan, until: 3);
            float[] continued = Train(broken, plan, until: 6);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(half, Is.Not.EqualTo(whole));
                Assert.That(continued, Is.EqualTo(whole));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void RateRisesThenFallsToTwoPercent()
    {
        var plan = new TrainingPlan { Steps = 1100, PeakRate = 1, WarmUp = 100 };
        Assert.That(new[] { 0, 99, 600, 1100 }.Select(plan.Share), Is.EqualTo(new[] { 0.01, 1, 0.51, 0.02 }).Within(1e-9));
    }

    [Test]
    public void ALevelRateFallsInAStraightLine()
    {
        var plan = new TrainingPlan { Steps = 1100, PeakRate = 1, WarmUp = 100, Fall = 200 };
        Assert.That(new[] { 0, 99, 899, 1000, 1099, 1100 }.Select(plan.Share), Is.EqualTo(new[] { 0.01, 1, 1, 0.5, 0.005, 0 }).Within(1e-9));
    }

    /// <summary>The coefficients trade exactness for speed: singular values end near 1, not at it.</summary>
    [TestCase(24, 24)]
    [TestCase(8, 100)]
    [TestCase(100, 8)]
    public void AMatrixIsMadeNearlyOrthogonal(int rows, int columns)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = StepRandom.Tensors(9, rows);
        Tensor made = Muon.Orthogonal(randn([rows, columns], generator: generator));
        Tensor square = rows < columns ? made.matmul(made.t()) : made.t().matmul(made);
        Assert.That(made.shape, Is.EqualTo(new long[] { rows, columns }));
        Assert.That(linalg.eigvalsh(square).sqrt().data<float>().ToArray(), Is.All.InRange(0.3f, 1.3f));
    }

    /// <summary>What Muon has moves by its rate alone, however small the gradient is: by the root of the rows of the matrix in all.</summary>
    [Test]
    public void MuonDoesNotReadTheGradientsSize()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (float size in (float[])[1e-3f, 1e3f])
        {
            using Generator generator = StepRandom.Tensors(10, 0);
            var matrix = new TorchSharp.Modules.Parameter(zeros(64, 64)) { grad = size * randn([64, 64], generator: generator) };
            using var muon = new Muon([("matrix", matrix)], decay: 0);
            muon.Step(rate: 0.5);
            Assert.That(matrix.norm().item<float>(), Is.EqualTo(0.5 * Math.Sqrt(64)).Within(25).Percent);
        }
    }

    /// <summary>A moving average kept inside the network, as V-JEPA's target: frozen, moved after every step, and part of the state.</summary>
    [Test]
    public void FrozenWeightsAreLeftAloneAndKept()
    {
        string folder = Directory.CreateTempSubdirectory("moving-shapes-").FullName;
        try
        {
            using DisposeScope scope = NewDisposeScope();
            using var network = new AutoencoderKL(s_config, Placement.Cpu);
            using Generator generator = StepRandom.Tensors(7, -1);
            Initializer.Fill(network, generator);
            TorchSharp.Modules.Parameter frozen = network.named_parameters().First(pair => pair.name.EndsWith("weight", StringComparison.Ordinal)).parameter;
            frozen.requires_grad = false;
            Tensor before = frozen.detach().clone();
            var plan = new TrainingPlan { Steps = 2, PeakRate = 1e-2, WarmUp = 1, WeightDecay = 0.1 };
            string state = Path.Combine(folder, "frozen.state");
            int steps = 0;
            using (var run = new TrainingRun(state, network, null, plan, new TrainingLog(Path.Combine(folder, "log.txt"))))
            {
                run.Run((step, part) => Loss(network, (TrainingRun.Parts * step) + part), stepped: () =>
                {
                    Assert.That(frozen.equal(before + steps).all().item<bool>(), "neither the optimizer nor its decay moves it");
                    steps++;
                    using IDisposable guard = no_grad();
                    frozen.copy_(before + steps);
                });
            }

            using var again = new AutoencoderKL(s_config, Placement.Cpu);
            TrainingRun.LoadResult(state, again);
            Assert.That(steps, Is.EqualTo(2));
            Assert.That(again.parameters().Zip(network.parameters()).All(pair => pair.First.Equals(pair.Second)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float[] Train(string stateFile, TrainingPlan plan, int until)
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new AutoencoderKL(s_config, Placement.Cpu);
        using var average = new AutoencoderKL(s_config, Placement.Cpu);
        using Generator generator = StepRandom.Tensors(7, -1);
        Initializer.Fill(network, generator);
        string folder = Path.GetDirectoryName(stateFile)!;
        using (var run = new TrainingRun(stateFile, network, average, plan, new TrainingLog(Path.Combine(folder, "log.txt"))))
        {
            run.Run((step, part) => Loss(network, (TrainingRun.Parts * step) + part), upTo: until);
        }

        using var result = new AutoencoderKL(s_config, Placement.Cpu);
        TrainingRun.LoadResult(stateFile, result);
        return [.. result.parameters().SelectMany(parameter => parameter.contiguous().data<float>().ToArray())];
    }

    private static Tensor Loss(AutoencoderKL network, int step)
    {
        using Generator generator = StepRandom.Tensors(8, step);
        Tensor images = rand([2, 3, 8, 8], generator: generator);
        return (network.Decode(network.Encode(images).Mean) - images).square().mean();
    }
}
