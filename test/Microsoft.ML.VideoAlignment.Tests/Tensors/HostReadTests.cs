using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the host reads is what the tensor holds, and observers of the flow are told of it.</summary>
public class HostReadTests
{
    [Test]
    public void NumbersAreReadInOrderWhateverTheLayout()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = arange(6, dtype: ScalarType.Float32).view(2, 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(HostRead.Numbers<float>(x.t()), Is.EqualTo(new float[] { 0, 3, 1, 4, 2, 5 }));
            Assert.That(HostRead.Numbers<float>(x.requires_grad_(true)), Is.EqualTo(new float[] { 0, 1, 2, 3, 4, 5 }));
            Assert.That(HostRead.Number(x[1, 2]), Is.EqualTo(5));
            Assert.That(HostRead.Flag(x[1, 2].gt(4)), Is.True);
        }
    }

    [Test]
    public void ShapesReadAsZeros()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = empty([2, 3], device: META);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(HostRead.Numbers<float>(x), Is.EqualTo(new float[6]));
            Assert.That(HostRead.Number(x.sum()), Is.Zero);
            Assert.That(HostRead.UsedColumns(x), Is.EqualTo(new long[] { 3, 3 }), "what is used is not known");
        }
    }

    [Test]
    public void UsedColumnsEndWithTheLastThatIsUsed()
    {
        using Tensor mask = tensor(new long[,] { { 1, 1, 0, 0 }, { 0, 0, 0, 0 }, { 1, 0, 1, 0 }, { 0, 0, 0, 1 } });
        Assert.That(HostRead.UsedColumns(mask), Is.EqualTo(new long[] { 2, 0, 3, 4 }));
    }

    [Test]
    public void CopiesAreApart()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] given = [arange(4, dtype: ScalarType.Float32).view(2, 2), ones(3, dtype: ScalarType.Float64), full([1], 7f), empty([0, 2])];
        var heard = new HostReads();
        IReadOnlyList<Tensor> copies;
        using (RunContext.Observe(heard))
        {
            copies = HostRead.Copies(given, "copies");
        }

        Tensor[] expected = [.. given.Select(tensor => tensor.clone())];
        foreach (Tensor tensor in given)
        {
            tensor.zero_();
        }

        copies[0].fill_(9);
        expected[0].fill_(9);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(copies.Zip(expected).All(pair => pair.First.Equals(pair.Second) && pair.First.dtype == pair.Second.dtype), "values, types and shapes");
            Assert.That(heard.Readers, Is.EqualTo(new[] { "copies", "copies" }), "a transfer for each type");
        }
    }

    [Test]
    public void EachReadIsToldWithItsReader()
    {
        using DisposeScope scope = NewDisposeScope();
        var heard = new HostReads();
        using IDisposable? observation = RunContext.Observe(heard);
        Tensor x = ones(2, 2);
        HostRead.Number(x.sum());
        HostRead.Flag(x.sum().gt(0));
        HostRead.Numbers<float>(x);
        HostRead.UsedColumns(x);
        HostRead.Copy(x);
        HostRead.ClipGradientNorm([nn.Parameter(ones(2))], 1);
        HostRead.Number(x.sum().to(META), "named");
        Assert.That(heard.Readers, Is.EqualTo(Enumerable.Repeat(nameof(EachReadIsToldWithItsReader), 6).Append("named")));
    }
}
