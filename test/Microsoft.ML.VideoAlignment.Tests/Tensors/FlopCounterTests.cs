using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;
using Conv2d = Microsoft.ML.VideoAlignment.Layers.Conv2d;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Operations as they are counted against operations by hand: 2 for each place of the result times the length of the sum in it.</summary>
public class FlopCounterTests
{
    private static readonly EncoderShape s_encoder = new(16, 32, 2, Activation.Gelu, 1e-5);

    private static IEnumerable<TestCaseData> Layers()
    {
        yield return Case("a linear layer", () => new Linear(5, 7, Placement.Cpu).forward(ones(3, 5)), 2 * 3 * 5 * 7);
        yield return Case("a linear layer and a factor", () => new Linear(5, 7, Placement.Cpu).ForwardScaled(ones(3, 5), 2), 2 * 3 * 5 * 7);
        yield return Case("a convolution of stride 2", () => new Conv2d(4, 5, 3, Placement.Cpu, stride: 2, padding: 1).forward(ones(2, 4, 6, 8)),
            2 * (2 * 5 * 3 * 4) * (4 * 9));
        yield return Case("a convolution in time", () => new TemporalConv3d(4, 5, 3, Placement.Cpu).forward(ones(1, 4, 3, 10)), 2 * (5 * 3 * 10) * (4 * 3));
        yield return Case("a causal convolution", () => new TemporalVaeConv(4, 5, 3, Placement.Cpu).Forward(ones(3, 4, 6, 5), frames: 3),
            2 * (3 * 5 * 6 * 5) * (4 * 27));
        yield return Case("tubelets", () => new TubeletProjection(2, 5, 2, 3, Placement.Cpu).forward(ones([1, 2, 4, 6, 6])), 2 * (8 * 5) * (2 * 2 * 9));
        yield return Case("twice the size", () => new Upsample2D(6, Placement.Cpu).Forward(ones(2, 6, 5, 3), 10, 6), (2 * (2 * 6 * 10 * 6) * (6 * 4))
            + (2 * (6 * 16 * 6) * 9));
        yield return Case("another size", () => new Upsample2D(6, Placement.Cpu).Forward(ones(2, 6, 5, 3), 9, 6), 2 * (2 * 6 * 9 * 6) * (6 * 9));
        yield return Case("gated feed-forward", () => new FeedForward(16, Placement.Cpu).Forward(ones(2, 6, 16), ones(2, 6, 16)), 2 * 12 * 16 * (128 + 64));
        yield return Case("self-attention", () => Attention(16).AttendToSelf(ones(2, 6, 16), ones(2, 6, 16)), (4 * 2 * 12 * 16 * 16) + (2 * 2 * 12 * 6 * 16));
        yield return Case(
            "attention to a text", () => Attention(8).AttendToContext(ones(4, 6, 16), ones(2, 3, 8), ones(4, 6, 16)), (2 * 2 * 24 * 16 * 16)
                + (2 * 2 * 6 * 8 * 16) + (2 * 2 * 24 * 3 * 16));
        yield return Case("attention to one token", () => Attention(8).AttendToContext(ones(4, 6, 16), ones(2, 1, 8), ones(4, 6, 16)),
            2 * 2 * ((8 * 16) + (16 * 16)));
        yield return Case("attention over time", () => Attention(16).AttendOverTime(ones(1, 5, 6, 16), ones(1, 5, 6, 16)), (4 * 2 * 30 * 16 * 16)
            + (2 * 2 * 30 * 5 * 16));
        yield return Case(
            "attention over time with distances", () => Attention(16, 2).AttendOverTime(ones(1, 5, 6, 16), ones(1, 5, 6, 16)), (4 * 2 * 30 * 16 * 16)
                + (2 * (2 * 2 * 30 * 5 * 16)));
        yield return Case(
            "a layer of an encoder", () => new EncoderLayer(s_encoder, Placement.Cpu).Forward(ones(2, 6, 16)), (4 * 2 * 12 * 16 * 16) + (2 * 2 * 12 * 6 * 16)
                + (2 * 2 * 12 * 16 * 32));

        static Attention Attention(long context, long? reach = null) => new(16, context, heads: 2, headSize: 8, Placement.Cpu, relativePositions: reach);

        static TestCaseData Case(string name, Func<Tensor> run, long operations) => new TestCaseData(run, operations).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Layers))]
    public void ALayerIsCounted(Func<Tensor> run, long operations)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Assert.That(FlopCounter.Count(() => run()), Is.EqualTo(operations));
    }

    /// <summary>The frozen weight of 64 x 64 gives the input its gradient, if that asks; of the thin products each factor has one.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void AnAdapterBesideTheWeightIsCounted(bool withGradientInput)
    {
        using DisposeScope scope = NewDisposeScope();
        Linear layer = Adapted(64);
        Tensor x = Ramp.Values(1, 5, 64).requires_grad_(withGradientInput);
        const long Square = 2 * 5 * 64 * 64, Thin = 2 * 5 * 64 * 4;
        long backward = (2 * Thin) + Thin + (withGradientInput ? Square + Thin : 0);
        Assert.That(FlopCounter.Count(() => layer.forward(x).sum().backward()), Is.EqualTo(Square + (2 * Thin) + backward));
        using (no_grad())
        {
            Assert.That(FlopCounter.Count(() => layer.forward(x)), Is.EqualTo(Square + (2 * Thin)), "no graph, no backward");
        }
    }

    /// <summary>In a weight of 8 x 8: the sum is made, the product gives it a gradient, which both factors get their part of.</summary>
    [Test]
    public void AnAdapterInTheWeightIsCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear layer = Adapted(8);
        const long Product = 2 * 5 * 8 * 8, Delta = 2 * 8 * 4 * 8;
        Tensor x = Ramp.Values(1, 5, 8);
        Assert.That(FlopCounter.Count(() => layer.forward(x).sum().backward()), Is.EqualTo((2 * Product) + (3 * Delta)));
        using IDisposable guard = no_grad();
        Assert.That(FlopCounter.Count(() => layer.Slot.Merge(layer.Frozen)), Is.EqualTo(Delta));
        Assert.That(FlopCounter.Count(() => layer.forward(x)), Is.EqualTo(Product));
        layer.Slot.Unmerge();
    }

    /// <summary>Both slopes; by our own loops the first product is made again before them, and libtorch keeps it.</summary>
    [Test]
    public void TheFeedForwardsBackwardIsCounted()
    {
        using DisposeScope scope = NewDisposeScope();
        FeedForward layer = Ramp.Fill(new FeedForward(16, Placement.Cpu));
        Tensor x = Ramp.Values(1, 2, 6, 16).requires_grad_(true);
        Assert.That(FlopCounter.Count(() => layer.Forward(x, zeros_like(x)).sum().backward()),
            Is.EqualTo(2 * 12 * 16 * (128 + 64 + (CpuKernels.Enabled ? 128 : 0) + 64 + 128)));
    }

    /// <summary>Two products forward; the scores again and four gradients backward.</summary>
    [Test]
    public void FusedAttentionIsCountedWithItsBackward()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor q = Ramp.Values(1, 2, 3, 5, 8).requires_grad_(true), k = Ramp.Values(2, 2, 3, 7, 8), v = Ramp.Values(3, 2, 3, 7, 4);
        const long Scores = 2 * 2 * 3 * 5 * 7 * 8, Values = 2 * 2 * 3 * 5 * 7 * 4;
        Assert.That(FlopCounter.Count(() => Ops.Attention(q, k, v)), Is.EqualTo((4 * Scores) + (3 * Values)));
        q.requires_grad_(false);
        Assert.That(FlopCounter.Count(() => Ops.Attention(q, k, v)), Is.EqualTo(Scores + Values));
    }

    [Test]
    public void ARecomputedBlockIsCountedTwiceForwardAndOnceBackward()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear layer = Ramp.Fill(new Linear(8, 8, Placement.Cpu));
        Tensor x = Ramp.Values(1, 5, 8).requires_grad_(true);
        long Run(ActivationMemory memory) => FlopCounter.Count(() => Recompute.Backward(Recompute.Run(memory, inputs => layer.forward(inputs[0]), x).sum()));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Run(ActivationMemory.Keep), Is.EqualTo(2 * (2 * 5 * 8 * 8)));
            Assert.That(Run(ActivationMemory.Recompute), Is.EqualTo(3 * (2 * 5 * 8 * 8)));
        }
    }

    /// <summary>A call with gradient of a family's denoiser and decoder does the same products whether or not there are numbers in them.</summary>
    [Test]
    public void ShapesAreCountedAsNumbersAre([ValueSource(typeof(ModelPartsAccess), nameof(ModelPartsAccess.Families))] string family, [Values] bool recompute)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(family);
        var size = new VideoSize(8, 8 * model.SizeMultiple, 8 * model.SizeMultiple);
        long numbers = WithGradient(model, CPU), shapes = WithGradient(model.ToMeta(), META);
        Assert.That(numbers, Is.Positive);
        Assert.That(shapes, Is.EqualTo(numbers));

        long WithGradient(VideoDiffusionModel made, Device device)
        {
            using var generator = new Generator(1);
            using LoraAdapters adapters = LoraAdapters.Attach(made.Denoiser, made.LoraVocabulary.AttentionQkvOut, 4, 4, generator);
            adapters.RequireGradient(true);
            using IDisposable memory = Recompute.BeginScope(recompute ? ActivationMemory.Recompute : ActivationMemory.Keep);
            Condition shaped = model.EmptyCondition(1, size), condition = device == CPU
                ? shaped.Map(part => MetaOps.IsMeta(part) ? ones(part.shape, dtype: part.dtype) : part) : shaped;
            Tensor latents = zeros(model.LatentShape(1, size), device: device);
            return FlopCounter.Count(() =>
            {
                Tensor prediction = made.Predict(latents, 500, condition);
                Recompute.Backward(made.Decode(prediction.narrow(1, 0, latents.shape[1]), size.Frames, [1]).sum());
            });
        }
    }

    [Test]
    public void AThreadHasOneMeterAtATime()
    {
        using var meter = new FlopCounter();
        Assert.That(() => new FlopCounter(), Throws.InvalidOperationException);
    }

    /// <summary>A block of 8 x 8 over five tokens: forward, forward again and back to its input.</summary>
    private const long BlockProduct = 2 * 5 * 8 * 8;

    /// <summary>The thread that runs the backward pass knows nothing of the flow that recorded it.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void ABackwardPassIsCountedOnWhateverThread(bool other)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = null!;
        using var meter = new FlopCounter();
        y = Block();
        Assert.That(meter.Operations, Is.EqualTo(BlockProduct));
        Pass(y, other);
        Assert.That(meter.Operations, Is.EqualTo(3 * BlockProduct));
    }

    [Test]
    public void AMeterOfTheBackwardPassAloneCountsIt()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = Block();
        Assert.That(FlopCounter.Count(() => Recompute.Backward(y)), Is.EqualTo(2 * BlockProduct));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void AMeterThatHasEndedCountsNothing(bool other)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y;
        FlopCounter ended;
        using (ended = new FlopCounter())
        {
            y = Block();
        }

        Pass(y, other);
        Assert.That(ended.Operations, Is.EqualTo(BlockProduct));
        Assert.That(RunContext.Observer<FlopCounter>(), Is.Null);
    }

    /// <summary>Each has begun before either counts; both run their backward passes on a thread of neither.</summary>
    [Test]
    public void RunsAtTheSameTimeCountTheirOwn()
    {
        long[] counts = new long[2];
        ForeignThread.Together(2, (index, meet) => counts[index] = FlopCounter.Count(() =>
        {
            using DisposeScope scope = NewDisposeScope();
            meet();
            for (int block = 0; block <= index; block++)
            {
                Pass(Block(), other: true);
            }

            meet();
        }));
        Assert.That(counts, Is.EqualTo(new[] { 3 * BlockProduct, 2 * 3 * BlockProduct }));
    }

    [Test]
    public void WorkOnAnotherThreadOfTheFlowIsCountedAndMayHaveAMeterOfItsOwn()
    {
        using var meter = new FlopCounter();
        long own = 0;
        ExecutionContext flow = ExecutionContext.Capture()!;
        ForeignThread.Run(() => ExecutionContext.Run(
            flow, _ =>
            {
                using DisposeScope scope = NewDisposeScope();
                using IDisposable guard = no_grad();
                Block();
                own = FlopCounter.Count(() => Block());
            },
            null));
        Assert.That(own, Is.EqualTo(BlockProduct));
        Assert.That(meter.Operations, Is.EqualTo(BlockProduct), "what the inner meter counted is its own");
    }

    private static Tensor Block()
    {
        Linear layer = Ramp.Fill(new Linear(8, 8, Placement.Cpu));
        Tensor x = Ramp.Values(1, 5, 8).requires_grad_(is_grad_enabled());
        return Recompute.Run(ActivationMemory.Recompute, inputs => layer.forward(inputs[0]), x).sum();
    }

    private static void Pass(Tensor y, bool other)
    {
        if (other)
        {
            ForeignThread.Run(() => Recompute.Backward(y));
        }
        else
        {
            Recompute.Backward(y);
        }
    }

    private static Linear Adapted(int width)
    {
        Linear layer = Ramp.Fill(new Linear(width, width, Placement.Cpu));
        layer.Slot.Adapter = new LowRankAdapter(nn.Parameter(Ramp.Values(2, 4, width)), nn.Parameter(Ramp.Values(3, width, 4)), 0.5);
        return layer;
    }
}
