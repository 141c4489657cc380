using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class LoraAdaptersTests
{
    [Test]
    public void FreshlyAttachedTheNetworkIsTheBaseModelExactly()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] before = network.Run();
        using LoraAdapters adapters = Attach(network, LoraTargets.AllLayers);
        Assert.That(network.Run(), Is.EqualTo(before));
        Assert.That(adapters.Layers.Select(layer => layer.Name), Is.EqualTo(new[] { "attn.to_q", "attn.to_out.0", "conv", "time" }));
    }

    /// <summary>peft: kaiming_uniform with a = sqrt 5 is uniform in +-1/sqrt(fan in).</summary>
    [Test]
    public void DownIsUniformWithinPeftsBoundAndUpIsZero()
    {
        using var network = new TinyNetwork();
        using LoraAdapters adapters = Attach(network, LoraTargets.AllLayers);
        foreach (AdaptedLayer layer in adapters.Layers)
        {
            double bound = 1 / Math.Sqrt(layer.Layer.Weight.shape[1..].Aggregate(1L, (a, b) => a * b));
            float[] down = Values(layer.Adapter.Down);
            Assert.That(down.Max(Math.Abs), Is.LessThanOrEqualTo(bound).And.GreaterThan(0.75 * bound), layer.Name);
            Assert.That(down.Min(), Is.LessThan(0));
            Assert.That(Values(layer.Adapter.Up), Is.All.Zero);
            Assert.That(layer.Adapter.Down.dtype, Is.EqualTo(ScalarType.Float32));
        }

        using var again = new TinyNetwork();
        using LoraAdapters same = Attach(again, LoraTargets.AllLayers);
        Assert.That(Values(same.Parameters[0]), Is.EqualTo(Values(adapters.Parameters[0])), "one seed, one start");
    }

    /// <summary>Shapes: Linear [r, in] and [out, r]; convolutions keep the kernel in down; rank 9 is clipped to min(in, out) of each layer.</summary>
    [Test]
    public void FactorsHaveTheLayersShapesAndAClippedRank()
    {
        using var network = new TinyNetwork();
        using LoraAdapters adapters = LoraAdapters.Attach(network, LoraTargets.AllLayers, 9, 18, new Generator(1));
        Assert.That(adapters.Layers.Select(layer => $"{Shapes.Describe(layer.Adapter.Down)} {Shapes.Describe(layer.Adapter.Up)}"), Is.EqualTo(new[]
        {
            "[6, 6] [6, 6]", "[4, 6] [4, 4]", "[4, 4, 3, 3] [8, 4, 1, 1]", "[4, 8, 3, 1, 1] [4, 4, 1, 1, 1]",
        }));
        Assert.That(adapters.Layers.Select(layer => layer.Adapter.Scale), Is.All.EqualTo(2));
        adapters.Detach();
        using LoraAdapters whole = LoraAdapters.Attach(network, LoraTargets.ByName("conv"), 9, 18, new Generator(1));
        Assert.That(whole.Layers.Single().Adapter.Rank, Is.EqualTo(9), "only the preset clips");
    }

    [Test]
    public void MergedEqualsSeparateAndTheBaseWeightIsNeverTouched()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] before = network.Run();
        using LoraAdapters adapters = Train(Attach(network, LoraTargets.AllLayers));
        float[] separate = network.Run();
        Assert.That(separate.Zip(before, (a, b) => Math.Abs(a - b)).Max(), Is.GreaterThan(0.01), "the adapter does something");
        for (int i = 0; i < 3; i++)
        {
            adapters.Merge();
            Assert.That(adapters.IsMerged);
            Assert.That(network.Run(), Is.EqualTo(separate).Within(1e-5));
            adapters.Enabled = false;
            Assert.That(network.Run(), Is.EqualTo(before), "switched off while merged");
            adapters.Enabled = true;
            adapters.Unmerge();
            Assert.That(network.Run(), Is.EqualTo(separate), "no drift");
        }
    }

    [Test]
    public void DetachRestoresTheBaseModelAndFreesTheSlots()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] before = network.Run();
        LoraAdapters adapters = Train(Attach(network, LoraTargets.AllLayers));
        adapters.Merge();
        Assert.That(() => Attach(network, LoraTargets.ByName("to_q")), Throws.InvalidOperationException.With.Message.Contains("attn.to_q"));
        adapters.Dispose();
        Assert.That(network.Run(), Is.EqualTo(before));
        Assert.That(AdaptableLayer.FindAll(network).Select(layer => layer.Layer.Slot.Adapter), Is.All.Null);
        Attach(network, LoraTargets.ByName("to_q")).Dispose();
    }

    [Test]
    public void StrengthIsADialBetweenBaseAndAdapted()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        float[] before = network.Run();
        using LoraAdapters adapters = Train(Attach(network, LoraTargets.AllLayers));
        float[] adapted = network.Run();
        adapters.Merge();
        adapters.Strength = 0;
        Assert.That(network.Run(), Is.EqualTo(before).Within(1e-6));
        adapters.Strength = 1;
        Assert.That(network.Run(), Is.EqualTo(adapted).Within(1e-5));
        Assert.That(() => adapters.Strength = 1.5, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void GradientReachesBothFactorsOfEveryLayerAndNothingElse()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = Train(Attach(network, LoraTargets.AllLayers));
        network.forward(TinyNetwork.Input()).pow(2).sum().backward();
        Assert.That(adapters.Parameters, Has.Count.EqualTo(8));
        foreach (TorchSharp.Modules.Parameter factor in adapters.Parameters)
        {
            using Tensor? gradient = factor.grad;
            Assert.That(gradient is not null && gradient.abs().max().item<float>() > 0);
        }

        Assert.That(network.parameters().Select(parameter => parameter.grad is null), Is.All.True);
        adapters.RequireGradient(false);
        Assert.That(network.forward(TinyNetwork.Input()).requires_grad, Is.False);
    }

    /// <summary>With up at zero the first step's gradient reaches up alone.</summary>
    [Test]
    public void AtTheStartOnlyUpHasGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = Attach(network, LoraTargets.ByName("to_q"));
        network.forward(TinyNetwork.Input()).pow(2).sum().backward();
        Assert.That(Values(adapters.Layers[0].Adapter.Down.grad!), Is.All.Zero);
        Assert.That(Values(adapters.Layers[0].Adapter.Up.grad!), Is.Not.All.Zero);
    }

    [Test]
    public void FactorsBuiltInsideAScopeOutliveIt()
    {
        using var network = new TinyNetwork();
        LoraAdapters adapters;
        using (DisposeScope inner = NewDisposeScope())
        {
            adapters = Train(Attach(network, LoraTargets.AllLayers));
        }

        Assert.That(adapters.Parameters.Select(factor => factor.IsInvalid), Is.All.False);
        using DisposeScope scope = NewDisposeScope();
        Assert.That(network.Run(), Has.Length.EqualTo(network.Run().Length));
        adapters.Dispose();
    }

    [Test]
    public void StateIsCopiedInAndOutAndAnothersIsRefusedWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new TinyNetwork();
        using LoraAdapters adapters = Train(Attach(network, LoraTargets.AllLayers));
        float[] trained = network.Run();
        Dictionary<string, Tensor> state = new(adapters.StateDict(), StringComparer.Ordinal);
        Assert.That(state.Keys.Take(2), Is.EqualTo(new[] { "attn.to_q.lora_A.weight", "attn.to_q.lora_B.weight" }));
        using (no_grad())
        {
            adapters.Parameters[1].zero_();
        }

        Assert.That(network.Run(), Is.Not.EqualTo(trained));
        adapters.Load(state);
        Assert.That(network.Run(), Is.EqualTo(trained));

        // The first is fine, the others are not: nothing may be copied.
        state["attn.to_q.lora_A.weight"] = zeros(3, 6);
        state["conv.lora_A.weight"] = zeros(2, 2);
        state.Remove("conv.lora_B.weight");
        state["other.lora_B.weight"] = zeros(1);
        Assert.That(() => adapters.Load(state), Throws.ArgumentException.With.Message.Contains("conv.lora_A.weight: expected [3, 4, 3, 3], got [2, 2]")
            .And.Message.Contains("missing conv.lora_B.weight").And.Message.Contains("unexpected other.lora_B.weight"));
        Assert.That(network.Run(), Is.EqualTo(trained));
    }

    [Test]
    public void AHalfPrecisionBaseGetsFloatFactors()
    {
        using var network = new TinyNetwork(ScalarType.Float16);
        using LoraAdapters adapters = Attach(network, LoraTargets.AllLayers);
        Assert.That(adapters.Parameters.Select(factor => factor.dtype), Is.All.EqualTo(ScalarType.Float32));
    }

    [TestCase(0, 8)]
    [TestCase(4, 0)]
    [TestCase(4, double.NaN)]
    public void RankAndAlphaAreChecked(int rank, double alpha)
    {
        using var network = new TinyNetwork();
        Assert.That(() => LoraAdapters.Attach(network, LoraTargets.AllLayers, rank, alpha, new Generator(1)), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    internal static LoraAdapters Attach(nn.Module network, LoraTargets targets)
    {
        using var generator = new Generator(1);
        return LoraAdapters.Attach(network, targets, 3, 6, generator);
    }

    /// <summary>Fills up with a ramp, as if trained.</summary>
    internal static LoraAdapters Train(LoraAdapters adapters)
    {
        using IDisposable guard = no_grad();
        foreach (AdaptedLayer layer in adapters.Layers)
        {
            using DisposeScope scope = NewDisposeScope();
            layer.Adapter.Up.copy_(linspace(-0.5, 0.6, layer.Adapter.Up.numel()).reshape(layer.Adapter.Up.shape));
        }

        return adapters;
    }

    private static float[] Values(Tensor tensor)
    {
        using Tensor flat = tensor.detach().flatten();
        return flat.data<float>().ToArray();
    }
}
