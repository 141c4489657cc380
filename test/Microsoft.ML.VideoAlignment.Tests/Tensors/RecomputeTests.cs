using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RecomputeTests
{
    [Test]
    public void GradientEqualsThePlainRunBitForBit()
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor weight = randn([4L, 4L], generator: generator).requires_grad_(true);
        Tensor side = randn([4L], generator: generator).requires_grad_(true);
        Tensor x = randn([3L, 4L], generator: generator).requires_grad_(true);

        Tensor Block(IReadOnlyList<Tensor> inputs) => (inputs[0].matmul(weight) + inputs[1]).tanh() * inputs[0];

        Tensor Recomputed(params Tensor[] inputs) => Recompute.Run(ActivationMemory.Recompute, Block, inputs);

        (Tensor[] plain, Tensor[] recomputed) =
            (Gradients(() => Block([Block([x, side]), side])), Gradients(() => Recomputed(Recomputed(x, side), side)));
        for (int i = 0; i < plain.Length; i++)
        {
            Assert.That(recomputed[i].data<float>().ToArray(), Is.EqualTo(plain[i].data<float>().ToArray()));
        }

        Tensor[] Gradients(Func<Tensor> run)
        {
            foreach (Tensor leaf in new[] { x, side, weight })
            {
                leaf.grad = null;
            }

            Recompute.Backward(run().pow(2).sum());
            return [x.grad!.clone(), side.grad!.clone(), weight.grad!.clone()];
        }
    }

    [Test]
    public void ParametersGetGradientWhenNoInputCarriesOne()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = ones(4).requires_grad_(true);
        Recompute.Backward(Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0] * weight, ones(4)).sum());
        Assert.That(weight.grad!.data<float>().ToArray(), Is.All.EqualTo(1f));
    }

    /// <summary>A frozen decoder of constant latents, beside one that learns: its node is visited, and has nothing to do.</summary>
    [Test]
    public void ABlockOfConstantsAddsNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = ones(4).requires_grad_(true);
        Tensor constant = Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0].exp(), ones(4));
        Recompute.Backward((weight.alias() + constant).sum());
        Assert.That(weight.grad!.data<float>().ToArray(), Is.All.EqualTo(1f));
    }

    /// <summary>Rows of 36 MB run one by one: 64 MB is what is taken together.</summary>
    [Test]
    public void LargeRowsAreTakenApartAndTheGradientIsTheSame()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = (arange(27_000_000, dtype: ScalarType.Float32).sin() * 2).view(3, -1).requires_grad_(true);
        var seen = new List<long>();
        using (Recompute.BeginScope(ActivationMemory.Recompute))
        {
            Recompute.Backward(Recompute.RunRows(Block, x).sum());
        }

        Tensor apart = x.grad!.clone();
        x.grad = null;
        Recompute.Backward(Recompute.RunRows(Block, x).sum());
        Assert.That(seen, Is.EqualTo(new long[] { 1, 1, 1, 1, 1, 1, 3 }));
        Assert.That((apart == x.grad!).all().ToBoolean());

        Tensor Block(Tensor part)
        {
            seen.Add(part.shape[0]);
            return part.square() * part;
        }
    }

    [Test]
    public void AnExceptionInTheBackwardPassIsRethrownOutside()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = ones(4).requires_grad_(true);
        int calls = 0;
        Tensor y = Recompute.Run(ActivationMemory.Recompute, inputs => ++calls == 1 ? inputs[0] * 2 : throw new InvalidOperationException("second run"), x);
        Assert.That(() => Recompute.Backward(y.sum()), Throws.InvalidOperationException.With.Message.EqualTo("second run"));
    }
    /// <summary>What a block keeps is gone when its own backward pass has run, not when the whole graph's has.</summary>
    [Test]
    public void AnInputIsFreedWithItsBlocksBackwardPass()
    {
        const long Bytes = 4_000;
        using DisposeScope scope = NewDisposeScope();
        using var profiler = new MemoryProfiler([], DeviceType.CPU);
        var alive = new List<long>();
        Tensor y = empty(Bytes / sizeof(float), device: META).requires_grad_(true);
        for (int i = 0; i < 5; i++)
        {
            using Tensor x = y;
            y = Recompute.Run(ActivationMemory.Recompute, Block, x);
        }

        alive.Clear();
        Recompute.Backward(y.sum());
        Assert.That(alive, Has.Count.EqualTo(5));
        Assert.That(alive[^1], Is.LessThanOrEqualTo(alive[2] - (2 * Bytes)), $"alive as the blocks ran again: {string.Join(", ", alive)}");

        Tensor Block(IReadOnlyList<Tensor> inputs)
        {
            profiler.Sample();
            alive.Add(profiler.Alive);
            return inputs[0].sin();
        }
    }

    [Test]
    public void AGraphIsDifferentiatedOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = ones(4).requires_grad_(true);
        Tensor y = Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0].exp(), x);
        Recompute.Backward(y.sum());
        Assert.That(() => Recompute.Backward(y.sum()), Throws.InvalidOperationException.With.Message.Contains("a graph is differentiated once"));
    }
}
