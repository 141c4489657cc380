using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AttentionTests
{
    /// <summary>The fused kernels subtract two sums of the same products in different orders: noise, for odd head sizes on every instruction set.</summary>
    [TestCase(ScalarType.Float32)]
    [TestCase(ScalarType.Float64)]
    [TestCase(ScalarType.BFloat16)]
    public void OverOneKeyQueriesAndKeysHaveAGradientOfZeroAndTheValueComesOut(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator(3);
        foreach (long size in new long[] { 1, 3, 4, 7, 16, 37, 64 })
        {
            Tensor Random(long length) => randn([2, 3, length, size], generator: generator).to_type(dtype).requires_grad_(true);
            Tensor q = Random(5), k = Random(1), v = Random(1);
            Tensor y = Ops.Attention(q, k, v);
            (y * randn(y.shape, generator: generator).to_type(dtype)).sum().backward();
            Assert.That(y.eq(v).all().ToBoolean(), $"{size}: the value, bit for bit");
            Assert.That(q.grad!.count_nonzero().ToInt64(), Is.Zero, $"{size}: queries");
            Assert.That(k.grad!.count_nonzero().ToInt64(), Is.Zero, $"{size}: keys");
            Assert.That(v.grad!.count_nonzero().ToInt64(), Is.GreaterThan(0), $"{size}: values");
        }
    }

    [TestCase(1, true)]
    [TestCase(2, false)]
    public void QueriesAndKeysAreInertOverOneKeyAndOnlyThere(int keys, bool inert)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Multiple(() =>
        {
            Assert.That(Inert(attention => attention.AttendToSelf(Ramp.Values(1, 3, keys, 8), Ramp.Values(1, 3, keys, 8))),
                Is.EqualTo(Expected("to_q", "to_k")), "in space");
            Assert.That(Inert(attention => attention.AttendToContext(Ramp.Values(1, 2, 5, 8), Ramp.Values(1, 2, keys, 8), Ramp.Values(1, 2, 5, 8))),
                Is.EqualTo(Expected("to_q", "to_k")), "to the text");
            Assert.That(Inert(attention => attention.AttendOverTime(Ramp.Values(1, 1, keys, 5, 8), Ramp.Values(1, 1, keys, 5, 8))),
                Is.EqualTo(Expected("to_q", "to_k")), "over time");
        });
        using var cross = new MultiHeadCrossAttention(8, 2, Placement.Cpu);
        Ramp.Fill(cross);
        cross.Forward(Ramp.Values(1, 1, 5, 8), Ramp.Values(1, 1, keys, 8), bias: null);
        Assert.That(Names(cross), Is.EqualTo(Expected("q_linear")), "keys and values share a projection, which values keep alive");

        string[] Expected(params string[] names) => inert ? names : [];
    }

    [Test]
    public void ALayerThatMatteredOnceIsNotInert()
    {
        using DisposeScope scope = NewDisposeScope();
        using Attention attention = Small();
        attention.AttendToSelf(Ramp.Values(1, 3, 1, 8), Ramp.Values(1, 3, 1, 8));
        attention.AttendToSelf(Ramp.Values(1, 3, 2, 8), Ramp.Values(1, 3, 2, 8));
        attention.AttendToSelf(Ramp.Values(1, 3, 1, 8), Ramp.Values(1, 3, 1, 8));
        Assert.That(Names(attention), Is.Empty);
    }

    private static Attention Small()
    {
        var attention = new Attention(8, 8, 2, 4, Placement.Cpu);
        Ramp.Fill(attention);
        return attention;
    }

    private static string[] Inert(Action<Attention> run)
    {
        using Attention attention = Small();
        run(attention);
        return Names(attention);
    }

    private static string[] Names(nn.Module module) =>
        [.. module.named_modules().Where(pair => pair.module is IAdaptable { Slot.IsInert: true }).Select(pair => pair.name)];
}
