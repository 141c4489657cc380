using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Layers whose weights are stored in another type than they compute in: same numbers and gradients, and no copy of weights in the graph.</summary>
public class FrozenProductTests
{
    private static readonly Dictionary<string, (Func<Placement, nn.Module<Tensor, Tensor>> Make, long[] Input)> s_layers = new()
    {
        ["linear"] = (placement => new Linear(96, 64, placement), [2, 5, 96]),
        ["linear without bias"] = (placement => new Linear(96, 64, placement, bias: false), [2, 5, 96]),
        ["convolution"] = (placement => new Conv2d(24, 32, 3, placement, padding: 1), [2, 24, 6, 5]),
        ["strided, of odd size"] = (placement => new Conv2d(24, 32, 3, placement, stride: 2, padding: 1), [2, 24, 7, 6]),
        ["strided, of even size"] = (placement => new Conv2d(24, 32, 3, placement, stride: 2, padding: 0), [2, 24, 8, 7]),
        ["over time"] = (placement => new TemporalConv3d(48, 32, 3, placement), [2, 48, 4, 6]),
        ["tubelets"] = (placement => new TubeletProjection(3, 64, 2, 8, placement), [2, 3, 4, 16, 8]),
    };

    public static IEnumerable<TestCaseData> Cases() =>
        from layer in s_layers.Keys
        from stored in new[] { WeightPrecision.BFloat16, WeightPrecision.Float16, WeightPrecision.Int8 }
        select new TestCaseData(layer, stored);

    [TestCaseSource(nameof(Cases))]
    public void OutputAndGradientsAreThoseOfTheConvertedWeight(string layer, WeightPrecision stored)
    {
        using DisposeScope scope = NewDisposeScope();
        (Func<Placement, nn.Module<Tensor, Tensor>> make, long[] shape) = s_layers[layer];
        using nn.Module<Tensor, Tensor> small = make(Placement.OnCpu(stored)), wide = make(Placement.Cpu);
        Fill(small, wide);
        using var generator = new Generator(5);
        Tensor x = randn(shape, generator: generator), slope = randn(small.call(x).shape, generator: generator);
        (Tensor y, Tensor gradient) = Run(small);
        (Tensor expected, Tensor expectedGradient) = Run(wide);
        Assert.That(((IAdaptable)small).Frozen.Stored.dtype, Is.Not.EqualTo(ScalarType.Float32));
        RequireClose(y, expected);
        RequireClose(gradient, expectedGradient);

        (Tensor Y, Tensor Gradient) Run(nn.Module<Tensor, Tensor> network)
        {
            Tensor input = x.clone().requires_grad_(true);
            Tensor output = network.call(input);
            Recompute.Backward(output, slope);
            return (output.detach(), input.grad!);
        }
    }

    /// <summary>What joins the bias, such as a shift by the time embedding, has its gradient.</summary>
    [Test]
    public void AShiftHasItsGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using var small = new Conv2d(24, 32, 3, Placement.OnCpu(WeightPrecision.BFloat16), padding: 1);
        using var wide = new Conv2d(24, 32, 3, Placement.Cpu, padding: 1);
        Fill(small, wide);
        using var generator = new Generator(6);
        Tensor x = randn([2, 24, 6, 5], generator: generator), slope = randn([2, 32, 6, 5], generator: generator), shift = randn(32, generator: generator);
        RequireClose(Gradient(small), Gradient(wide));

        Tensor Gradient(Conv2d layer)
        {
            Tensor input = x.clone().requires_grad_(true), added = shift.clone().requires_grad_(true);
            Recompute.Backward(layer.Forward(input, added), slope);
            return added.grad!;
        }
    }

    /// <summary>Weights of half the size make no step larger: with all activations kept, a gradient step takes no more than that of float32 weights.</summary>
    [TestCase(WeightPrecision.BFloat16)]
    [TestCase(WeightPrecision.Int8)]
    public void SmallWeightsMakeNoStepLarger(WeightPrecision stored)
    {
        using VideoDiffusionModel small = UntrainedModel.Make(VideoModelFamily.ModelScope, UntrainedSize.Tiny, seed: 0, stored);
        using VideoDiffusionModel wide = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
        var options = new VideoAlignmentOptions
        {
            Sampling = new() { Frames = 4, Height = 16, Width = 16, Steps = 2 },
            Memory = new() { Recompute = ActivationRecompute.None },
        };
        MemoryEstimate less = small.EstimateMemory(options), more = wide.EstimateMemory(options);
        TestContext.Out.WriteLine($"weights {less.Weights} of {more.Weights}; step {less.GradientSteps} of {more.GradientSteps}");
        Assert.That(less.Weights, Is.LessThan(0.7 * more.Weights));
        Assert.That(less.GradientSteps - more.GradientSteps, Is.LessThan(0.1 * more.Weights));
        Assert.That(less.Backward - more.Backward, Is.LessThan(0.2 * more.Weights));
    }

    private static void RequireClose(Tensor given, Tensor expected) => Assert.That(
        (given - expected).abs().max().ToDouble(), Is.LessThanOrEqualTo(1e-4 * expected.abs().max().ToDouble()));

    // Random stored numbers, and the numbers that they stand for.
    private static void Fill(nn.Module small, nn.Module wide)
    {
        using IDisposable guard = no_grad();
        using var generator = new Generator(4);
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in small.named_parameters())
        {
            Tensor drawn = randn(parameter.shape, generator: generator);
            Tensor floating = name == "weight_scale" ? drawn.abs() * 0.01 : drawn * 0.1;
            parameter.copy_(parameter.dtype == ScalarType.Int8 ? (drawn * 40).clamp(-127, 127).round() : floating);
        }

        var layer = (IAdaptable)small;
        var target = (IAdaptable)wide;
        target.Weight.copy_(layer.Frozen.ConvertTo(ScalarType.Float32));
        target.Bias?.copy_(layer.Bias!.to_type(ScalarType.Float32));
    }
}
