using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Large tensors are read piece by piece, so that loading takes little beside what is loaded; the numbers are those of the whole.</summary>
public class WeightPiecesTests
{
    private const long Rows = 700, Columns = 1001;

    /// <summary>Half a million and more numbers: three pieces, the last one smaller.</summary>
    [Test]
    public void PiecesAreTheWholeInOrder([Values("a.safetensors", "a.pt")] string name, [Values(1, Columns)] long unit)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using IWeightSource source = Written(folder, name, Values());
        (List<long> sizes, List<float> read) = ([], []);
        source.ReadInPieces("weight", unit, piece =>
        {
            sizes.Add(piece.numel());
            read.AddRange(piece.data<float>());
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sizes, Has.Count.EqualTo(3));
            Assert.That(sizes, Has.All.LessThanOrEqualTo(1 << 18), "a megabyte of float32");
            Assert.That(sizes, Has.All.Matches<long>(size => size % unit == 0));
            Assert.That(read.SequenceEqual(Values().data<float>()), Is.True);
        }
    }

    [Test]
    public void AUnitLargerThanAPieceStaysInOne()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using IWeightSource source = Written(folder, "a.safetensors", Values());
        var sizes = new List<long>();
        source.ReadInPieces("weight", Rows * Columns / 2, piece => sizes.Add(piece.numel()));
        Assert.That(sizes, Is.EqualTo(new[] { Rows * Columns / 2, Rows * Columns / 2 }));
    }

    [TestCase(WeightPrecision.Float32)]
    [TestCase(WeightPrecision.Float16)]
    [TestCase(WeightPrecision.Int8)]
    public void ALayerLoadedInPiecesHoldsWhatTheWholeGives(WeightPrecision precision)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using IWeightSource source = Written(folder, "a.safetensors", Values());
        using var layer = new Linear(Columns, Rows, Placement.OnCpu(precision), bias: false);
        WeightLoader.Load(layer, source);
        (Tensor expected, Tensor? scale) = precision == WeightPrecision.Int8
            ? ChannelQuantization.Quantize(Values())
            : (Values().to_type(layer.Weight.dtype), null!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(layer.Weight.Equals(expected), Is.True);
            Assert.That(scale is null || layer.Frozen.Scale!.Equals(scale), Is.True);
        }
    }

    /// <summary>A convolution's weight lies in memory as [out, k, k, in].</summary>
    [Test]
    public void AConvolutionsLayoutIsFilledInPieces([Values] bool eightBit)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Tensor weight = Values().flatten().narrow(0, 0, 300 * 200 * 9).view(300, 200, 3, 3);
        using IWeightSource source = Written(folder, "a.pt", weight);
        using var layer = new Conv2d(200, 300, 3, Placement.OnCpu(eightBit ? WeightPrecision.Int8 : WeightPrecision.Float32), bias: false);
        WeightLoader.Load(layer, source);
        Assert.That(layer.Weight.Equals(eightBit ? ChannelQuantization.Quantize(weight).Whole : weight), Is.True);
    }

    /// <summary>Every channel has a magnitude of its own, so that a scale in the wrong place is seen.</summary>
    private static Tensor Values() => Ramp.Values(1, Rows, Columns) * (arange(Rows, dtype: ScalarType.Float32).unsqueeze(1) + 1);

    private static IWeightSource Written(TemporaryFolder folder, string name, Tensor weight)
    {
        var tensors = new Dictionary<string, Tensor> { ["weight"] = weight };
        if (name.EndsWith(".pt", StringComparison.Ordinal))
        {
            TorchZipWriter.Write(folder.Path(name), tensors);
        }
        else
        {
            SafetensorsWriter.Write(folder.Path(name), tensors);
        }

        return WeightFile.Open(folder.Path(name));
    }
}
