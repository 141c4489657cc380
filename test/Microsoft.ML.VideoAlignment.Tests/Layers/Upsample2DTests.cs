using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The short way to twice the size against its definition: nearest neighbors, then a 3x3 convolution.</summary>
public sealed class Upsample2DTests
{
    private const double Tolerance = 1e-12;

    [TestCase(false)]
    [TestCase(true)]
    public void TwiceTheSizeIsNeighborsThenConvolution(bool adapted)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        Upsample2D layer = Make(generator);
        Conv2d conv = layer.children().OfType<Conv2d>().Single();
        if (adapted)
        {
            Tensor Draw(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: generator);
            conv.Slot.Adapter = new LowRankAdapter(new TorchSharp.Modules.Parameter(Draw(4, 6, 3, 3)), new TorchSharp.Modules.Parameter(Draw(6, 4, 1, 1)), 0.5);
            Assert.That(conv.HasSingleWeight, Is.True, "a small weight takes its adapter in; otherwise this test would not see the short way");
        }

        Tensor x = randn([2, 6, 5, 3], dtype: ScalarType.Float64, generator: generator).requires_grad_(true);
        Tensor cotangent = randn([2, 6, 10, 6], dtype: ScalarType.Float64, generator: generator);
        Tensor y = layer.Forward(x, 10, 6);
        Tensor expected = conv.forward(nn.functional.interpolate(x, [10, 6], mode: InterpolationMode.Nearest));
        Tensor[] inputs = adapted ? [x, conv.Slot.Adapter!.Down, conv.Slot.Adapter.Up] : [x];
        IList<Tensor> gradients = autograd.grad([y], inputs, [cotangent]);
        IList<Tensor> expectedGradients = autograd.grad([expected], inputs, [cotangent]);

        Assert.That((y - expected).abs().max().item<double>(), Is.LessThan(Tolerance));
        for (int i = 0; i < inputs.Length; i++)
        {
            Assert.That((gradients[i] - expectedGradients[i]).abs().max().item<double>(), Is.LessThan(100 * Tolerance), $"gradient {i}");
        }
    }

    [Test]
    public void AnotherSizeIsReached()
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor y = Make(generator).Forward(randn([1, 6, 5, 3], dtype: ScalarType.Float64, generator: generator), 9, 6);
        Assert.That(y.shape, Is.EqualTo(new long[] { 1, 6, 9, 6 }));
    }

    private static Upsample2D Make(Generator generator)
    {
        var layer = new Upsample2D(6, new Placement(CPU, ScalarType.Float64));
        using IDisposable guard = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in layer.parameters())
        {
            parameter.normal_(0, 1, generator);
        }

        return layer;
    }
}
