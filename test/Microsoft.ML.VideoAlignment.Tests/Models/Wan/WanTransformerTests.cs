using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.Wan;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WanTransformerTests
{
    private static readonly WanTransformerConfig s_text = new()
    {
        Heads = 2,
        HeadSize = 12,
        InChannels = 4,
        OutChannels = 4,
        Depth = 2,
        TextWidth = 5,
        FrequencyWidth = 8,
        FeedForwardWidth = 20,
        MaxPositions = 8,
    };

    /// <summary>With a first and a last image of two tokens each.</summary>
    private static readonly WanTransformerConfig s_images = s_text with { ImageWidth = 6, AddedKeyWidth = 24, ImagePositions = 4 };

    [TestCase(1, 1, 2, 2)]
    [TestCase(2, 3, 4, 6)]
    [TestCase(1, 2, 16, 4)]
    public void WholePatchesGoThroughAndLeaveOneTensor(int batch, int frames, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
        Tensor x = Ramp.Values(1, batch, 4, frames, height, width), text = Ramp.Values(2, batch, 3, 5), image = Ramp.Values(3, 2 * batch, 2, 6);
        Tensor time = tensor([500f]);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Tensor y = network.Forward(x, time, text, image);
        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before + 1));
        Assert.That(y.shape, Is.EqualTo(new long[] { batch, 4, frames, height, width }));
        Assert.That(y.isfinite().all().item<bool>());
    }

    [Test]
    public void ATimeIsForAllForEachVideoForEachFrameOrForEachToken()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_text, Placement.Cpu));
        Tensor once = Run(network, tensor([300f])), whole = Run(network, tensor(new long[] { 300, 300 })), each = Run(network, tensor([300f, 900f]));
        Assert.That(Distance(once, whole), Is.LessThan(1e-5));
        Assert.That(Distance(Run(network, full([2, 18], 300f)), whole), Is.LessThan(1e-5));
        Assert.That(Distance(each[0], once[0]), Is.LessThan(1e-5));
        Assert.That(Distance(each[1], once[1]), Is.GreaterThan(1e-3));

        Tensor frames = tensor(new float[,] { { 0, 300, 300 } }); // a given first frame, 3 frames of 6 tokens
        Tensor byFrame = Run(network, frames), byToken = Run(network, frames.repeat_interleave(6, 1).expand(2, -1));
        Assert.That(Distance(byFrame, byToken), Is.LessThan(1e-5));
        Assert.That(Distance(byFrame, once), Is.GreaterThan(1e-3));
    }

    [Test]
    public void ZeroRowsBehindTheTextTakePart()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_text, Placement.Cpu));
        Tensor text = Ramp.Values(2, 2, 3, 5);
        Tensor y = Run(network, tensor([300f]), text), padded = Run(network, tensor([300f]), nn.functional.pad(text, [0, 0, 0, 4]));
        Assert.That(Distance(padded, y), Is.GreaterThan(1e-4));
    }

    [Test]
    public void TheTwoImagesOfAVideoFollowOneAnotherAndHavePlaces()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
        Tensor x = Ramp.Values(1, 2, 4, 3, 4, 6), text = Ramp.Values(2, 2, 3, 5), image = Ramp.Values(3, 4, 2, 6), time = tensor([300f]);
        Tensor both = network.Forward(x, time, text, image), second = network.Forward(x[1..], time, text[1..], image[2..]);
        Assert.That(Distance(both[1..], second), Is.LessThan(1e-5));
        Tensor swapped = network.Forward(x[1..], time, text[1..], image[2..].flip(0));
        Assert.That(Distance(swapped, second), Is.GreaterThan(1e-4));
    }

    [Test]
    public void GradientReachesEveryAdapterAndIsTheSameWhereBlocksAreRecomputed()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[][] gradients = [.. new[] { ActivationMemory.Keep, ActivationMemory.Recompute }.Select(memory =>
        {
            using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
            LowRankAdapter[] adapters = Adapt(network);
            using (Recompute.BeginScope(memory))
            {
                Recompute.Backward(Run(network, tensor(new float[,] { { 0, 300, 600 } }), image: Ramp.Values(3, 4, 2, 6)).square().sum());
            }

            Assert.That(network.parameters().Select(parameter => parameter.grad), Is.All.Null);
            return adapters.SelectMany(adapter => new[] { adapter.Down.grad!, adapter.Up.grad! }).ToArray();
        })];
        Assert.That(gradients[0], Has.Length.EqualTo(2 * (1 + 2 + 1 + 2 + 2 + (2 * 12) + 1)), "patches, time, its projection, text, image, blocks, head");
        foreach ((Tensor kept, Tensor recomputed) in gradients[0].Zip(gradients[1]))
        {
            Assert.That(kept.abs().sum().item<float>(), Is.GreaterThan(0));
            Assert.That(Distance(recomputed, kept), Is.LessThan(1e-5));
        }
    }

    /// <summary>The slope along a direction, by central differences of float64, is the gradient's.</summary>
    [Test]
    public void TheGradientIsTheSlope()
    {
        using DisposeScope scope = NewDisposeScope();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
        LowRankAdapter[] adapters = Adapt(network);
        network.to(ScalarType.Float64);
        Tensor[] inputs =
        [
            .. new[] { Ramp.Values(1, 1, 4, 2, 4, 4), Ramp.Values(2, 1, 3, 5), Ramp.Values(3, 2, 2, 6) }.Select(Leaf),
        ];
        Tensor[] steps = [.. inputs.Select((input, i) => Ramp.Values(11 + i, input.shape).to(ScalarType.Float64))];
        Tensor Loss(double size)
        {
            Tensor[] moved = [.. inputs.Zip(steps, (input, step) => input + (step * size))];
            return network.Forward(moved[0], tensor(new double[,] { { 0, 300 } }), moved[1], moved[2]).square().sum();
        }

        Loss(0).backward();
        double slope = inputs.Zip(steps, (input, step) => (input.grad! * step).sum().item<double>()).Sum();
        using IDisposable guard = no_grad();
        const double Size = 1e-5;
        double measured = (Loss(Size) - Loss(-Size)).item<double>() / (2 * Size);
        Assert.That(slope, Is.EqualTo(measured).Within(Math.Abs(measured) * 1e-5));
        Assert.That(Math.Abs(measured), Is.GreaterThan(1e-3));
        Assert.That(adapters, Is.Not.Empty);

        static Tensor Leaf(Tensor values) => values.to(ScalarType.Float64).requires_grad_(true);
    }

    [TestCase(WeightPrecision.Float32)]
    [TestCase(WeightPrecision.BFloat16)]
    public void HalfPrecisionGivesNearlyTheSameAndKeepsTheTimeInFloat32(WeightPrecision stored)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using WanTransformer network = Ramp.Fill(new WanTransformer(s_images, Placement.OnCpu(stored)));
        Tensor time = tensor(new float[,] { { 0, 300, 600 } }), image = Ramp.Values(3, 4, 2, 6);
        Tensor wide = Run(network, time, image: image);
        using (RunContext.ComputeIn(ScalarType.BFloat16))
        {
            Tensor half = Run(network, time, image: image);
            Assert.That(half.dtype, Is.EqualTo(ScalarType.Float32));
            Assert.That(Distance(half, wide), Is.InRange(1e-4, 0.1), "bfloat16, and no worse");
            Assert.That(nn.functional.cosine_similarity(half.flatten(), wide.flatten(), dim: 0).item<float>(), Is.GreaterThan(0.99f));
        }
    }

    [Test]
    public void TheTimeIsEmbeddedInFloat32InARunOfHalfPrecision()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var embedder = Ramp.Fill(new WanConditionEmbedder(s_text, Placement.Cpu));
        Tensor times = tensor(new float[,] { { 0, 300.25f } }), wide = embedder.EmbedTime(times, ScalarType.Float32);
        using (RunContext.ComputeIn(ScalarType.BFloat16))
        {
            Assert.That(Distance(embedder.EmbedTime(times, ScalarType.Float32), wide), Is.LessThan(1e-6));
            Assert.That(embedder.EmbedTime(times, ScalarType.BFloat16).dtype, Is.EqualTo(ScalarType.BFloat16));
            Assert.That(embedder.ProjectTime(wide).dtype, Is.EqualTo(ScalarType.BFloat16), "what comes after computes in half precision again");
        }
    }

    [Test]
    public void TimeEmbedderTablesAndLayerNormsAreStoredInFloat32()
    {
        using var network = new WanTransformer(s_images, Placement.OnCpu(WeightPrecision.BFloat16));
        string[] wide = [.. network.state_dict().Where(pair => pair.Value.dtype == ScalarType.Float32).Select(pair => pair.Key)];
        string[] half = [.. network.state_dict().Where(pair => pair.Value.dtype == ScalarType.BFloat16).Select(pair => pair.Key)];
        string[] kept = ["time_embedder", "scale_shift_table", ".norm1.", ".norm2."];
        Assert.That(wide.Concat(half), Is.EquivalentTo(network.state_dict().Keys));
        Assert.That(wide, Is.EquivalentTo(network.state_dict().Keys.Where(key => kept.Any(part => key.Contains(part, StringComparison.Ordinal)))));
    }

    [Test]
    public void WhatDoesNotFitIsRefusedWithWhatWasExpected()
    {
        using DisposeScope scope = NewDisposeScope();
        using WanTransformer text = Ramp.Fill(new WanTransformer(s_text, Placement.Cpu)), images = Ramp.Fill(new WanTransformer(s_images, Placement.Cpu));
        Tensor x = zeros([1, 4, 2, 4, 4]), time = tensor([1f]), states = zeros(1, 3, 5);
        using (Assert.EnterMultipleScope())
        {
            Refused(() => text.Forward(zeros([1, 3, 2, 4, 4]), time, states), "B, 4, T, h, w", "[1, 3, 2, 4, 4]");
            Refused(() => text.Forward(x, time, zeros(1, 3, 6)), "1, L, 5", "[1, 3, 6]");
            Refused(() => text.Forward(zeros([1, 4, 2, 5, 4]), time, states), "(1, 2, 2)", "[1, 4, 2, 5, 4]");
            Refused(() => text.Forward(zeros([1, 4, 9, 4, 4]), time, states), "rope_max_seq_len", "(9, 2, 2)");
            Refused(() => text.Forward(x, zeros(2), states), "timestep", "8 tokens");
            Refused(() => text.Forward(x, zeros(1, 3), states), "timestep", "[1, 3]");
            Refused(() => text.Forward(x, time, states, zeros(1, 2, 6)), "no image branch", "[1, 2, 6]");
            Refused(() => images.Forward(x, time, states), "image to video", "got none");
            Refused(() => images.Forward(x, time, states, zeros(1, 2, 6)), "2, 2, 6", "[1, 2, 6]");
        }

        static void Refused(Action run, params string[] named) =>
            Assert.That(run, Throws.ArgumentException.With.Message.Contains(named[0]).And.Message.Contains(named[1]));
    }

    /// <summary>Memory and operations are estimated so, before a model is on a device.</summary>
    [Test]
    public void TheFullSizeNetworkRunsByShapesAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        var config = new WanTransformerConfig { Heads = 12, FeedForwardWidth = 8960, Depth = 30 }; // Wan 2.1 T2V 1.3B
        using var network = new WanTransformer(config, Placement.Meta);
        Tensor x = empty([1, 16, 5, 32, 32], device: META), text = empty([1, 512, 4096], device: META), time = empty([1], device: META);
        long operations = FlopCounter.Count(() => Assert.That(network.Forward(x, time, text).shape, Is.EqualTo(x.shape)));
        long tokens = 5 * 16 * 16, width = config.Width;
        long block = (tokens * ((6 * width * width) + (2 * tokens * width) + (2 * 512 * width) + (2 * width * 8960))) + (2 * 512 * width * width);
        long rest = (tokens * 2 * 64 * width) + (512 * (4096 + width) * width) + ((256 + width + (6 * width)) * width);
        Assert.That(operations, Is.EqualTo(2 * ((30 * block) + rest)));
    }

    private static LowRankAdapter[] Adapt(WanTransformer network)
    {
        var adapters = new List<LowRankAdapter>();
        foreach (IAdaptable layer in network.modules().OfType<IAdaptable>())
        {
            long[] kernel = layer.Weight.shape[2..];
            Tensor down = Ramp.Values(adapters.Count, [2, layer.Weight.shape[1], .. kernel]);
            Tensor up = Ramp.Values(adapters.Count + 7, [layer.Weight.shape[0], 2, .. kernel.Select(_ => 1L)]);
            adapters.Add(new LowRankAdapter(nn.Parameter(down.clone()), nn.Parameter(up.clone()), 0.1));
            layer.Slot.Adapter = adapters[^1];
        }

        return [.. adapters];
    }

    private static Tensor Run(WanTransformer network, Tensor timestep, Tensor? text = null, Tensor? image = null) =>
        network.Forward(Ramp.Values(1, 2, 4, 3, 4, 6), timestep, text ?? Ramp.Values(2, 2, 3, 5), image);

    private static double Distance(Tensor a, Tensor b) => ((a - b).abs().max() / b.abs().max()).item<float>();
}
