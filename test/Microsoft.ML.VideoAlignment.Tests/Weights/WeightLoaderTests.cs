using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class WeightLoaderTests
{
    [Test]
    public void FillsTheModuleAndKeepsStrides()
    {
        using var module = new Conv2d(2, 3, 3, Placement.Cpu);
        long[] strides = module.Weight.stride();
        using var source = new MemoryWeights(("net.weight", Ramp(3, 2, 3, 3)), ("net.bias", Ramp(3)), ("other", Ramp(1)));
        LoadReport report = WeightLoader.Load(module, source, "net.");
        Assert.That(report.Loaded, Is.EquivalentTo(new[] { "weight", "bias" }));
        Assert.That(report.Ignored, Is.EqualTo(new[] { "other" }));
        Assert.That(report.DtypeConverted, Is.Empty);
        Assert.That(module.Weight.stride(), Is.EqualTo(strides), "the memory layout of convolution weights");
        using Tensor expected = Ramp(3, 2, 3, 3);
        Assert.That(module.Weight.Equals(expected), Is.True);
        Assert.That(module.Weight.requires_grad, Is.False);
    }

    [Test]
    public void MissingUnexpectedAndMisshapenAreNamedAndNothingIsWritten()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("weight", Ramp(4, 5)), ("extra", Ramp(1)));
        Assert.That(() => WeightLoader.Load(module, source),
            Throws.TypeOf<WeightFileException>().With.Message.Contain("bias").And.Message.Contain("extra")
                .And.Message.Contain("weight: file Float32 [4, 5], network Float32 [4, 3]"));
        Assert.That(source.Reads, Is.Zero);
    }

    [TestCase(new long[] { 1, 3 }, TestName = "NothingIsBroadcast")]
    [TestCase(new long[] { 3, 4 }, TestName = "NothingIsReshaped")]
    [TestCase(new long[] { 12 }, TestName = "NothingIsUnflattened")]
    public void OtherShapes(long[] shape)
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("bias", Ramp(4)), ("weight", Ramp(shape)));
        Assert.That(() => WeightLoader.Load(module, source), Throws.TypeOf<WeightFileException>());
        Assert.That(module.Weight.abs().sum().item<float>(), Is.Zero, "nothing is written");
        Assert.That(module.get_parameter("bias")!.abs().sum().item<float>(), Is.Zero, "nor anything that would have fitted");
    }

    [Test]
    public void ConversionsBetweenFloatingTypesAreReported()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("weight", Ramp(4, 3).to_type(ScalarType.Float16)), ("bias", Ramp(4)));
        LoadReport report = WeightLoader.Load(module, source);
        Assert.That(report.DtypeConverted, Is.EqualTo(new[] { "weight: Float16 -> Float32" }));
        using Tensor expected = Ramp(4, 3).to_type(ScalarType.Float16).to_type(ScalarType.Float32);
        Assert.That(module.Weight.Equals(expected), Is.True);
    }

    /// <summary>float16 ends at 65504, and rounds down to it what is less than 65520.</summary>
    [TestCase(65504f, false)]
    [TestCase(-65519f, false)]
    [TestCase(65520f, true)]
    [TestCase(-70000f, true)]
    [TestCase(float.NegativeInfinity, false, Description = "as it is in the file")]
    public void AWeightThatFloat16CannotHoldIsNamed(float weight, bool refused)
    {
        using var module = new Linear(3, 4, Placement.Cpu);
        module.to(ScalarType.Float16);
        using Tensor weights = Ramp(4, 3), bias = Ramp(4);
        weights[2, 1] = weight;
        using var source = new MemoryWeights(("weight", weights), ("bias", bias));
        Assert.That(() => WeightLoader.Load(module, source), refused
            ? Throws.TypeOf<WeightFileException>().With.Message.Contains("memory: tensor 'weight' holds").And.Message.Contains($"{Math.Abs(weight)}")
                .And.Message.Contains("WeightPrecision.BFloat16")
            : Throws.Nothing);
    }

    [TestCase(ScalarType.Float32)]
    [TestCase(ScalarType.BFloat16)]
    public void OtherTypesHoldIt(ScalarType type)
    {
        using var module = new Linear(3, 4, Placement.Cpu);
        module.to(type);
        using Tensor weights = Ramp(4, 3) + 1e6f, bias = Ramp(4);
        using var source = new MemoryWeights(("weight", weights), ("bias", bias));
        Assert.That(() => WeightLoader.Load(module, source), Throws.Nothing);
    }

    [Test]
    public void APartOfAModuleIsReadByTheWholesMap()
    {
        KeyMap part = new KeyMap
        {
            Rename = name => name.Replace("old.", "", StringComparison.Ordinal),
            Ignore = ["*.skip"],
            Optional = ["block.1.a"],
            Reshape = ["block.1.c"],
        }.Within("block.").Within("1.");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(part.MapName("old.block.1.a"), Is.EqualTo("a"));
            Assert.That(part.MapName("old.block.2.a"), Is.Null, "another part");
            Assert.That(part.MapName("block.1.skip"), Is.Null);
            Assert.That((part.IsOptional("a"), part.IsOptional("b")), Is.EqualTo((true, false)));
            Assert.That((part.Fits("c", [4, 1], [4]), part.Fits("a", [4, 1], [4])), Is.EqualTo((true, false)));
        }
    }

    [Test]
    public void IntegersAreNotTakenForNumbersWithAFraction()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("weight", Ramp(4, 3).to_type(ScalarType.Int64)), ("bias", Ramp(4)));
        Assert.That(() => WeightLoader.Load(module, source), Throws.TypeOf<WeightFileException>().With.Message.Contain("Int64"));
    }

    [Test]
    public void KeyMapRenamesIgnoresAndReshapes()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("query.w", Ramp(4, 3, 1, 1)), ("query.b", Ramp(4)), ("embeddings.position_ids", Ramp(7)));
        var map = new KeyMap
        {
            Aliases = [("query.w", "query.weight")],
            Rename = name => name == "query.b" ? "bias" : name["query.".Length..],
            Ignore = ["*.position_ids"],
            Reshape = ["weight"],
        };
        LoadReport report = WeightLoader.Load(module, source, map: map);
        Assert.That(report.Reshaped, Is.EqualTo(new[] { "weight" }));
        Assert.That(report.Ignored, Is.EqualTo(new[] { "embeddings.position_ids" }));
        Assert.That(module.Weight[1, 2].item<float>(), Is.EqualTo(5));
    }

    [Test]
    public void TwoNamesForOneKeyAreRefused()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("weight", Ramp(4, 3)), ("bias", Ramp(4)), ("old.bias", Ramp(4)));
        Assert.That(() => WeightLoader.Load(module, source, map: new KeyMap { Aliases = [("old.", "")] }),
            Throws.TypeOf<WeightFileException>().With.Message.Contain("it means bias"));
    }

    [Test]
    public void OptionalKeysMayBeAbsent()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights(("weight", Ramp(4, 3)));
        Assert.That(WeightLoader.Load(module, source, map: new KeyMap { Optional = ["bias"] }).Loaded, Is.EqualTo(new[] { "weight" }));
    }

    [Test]
    public void LongListsAreCutWithTheirCount()
    {
        using Linear module = Zeroed();
        using var source = new MemoryWeights([.. Enumerable.Range(0, 25).Select(i => ($"extra.{i}", Ramp(1)))]);
        Assert.That(() => WeightLoader.Load(module, source), Throws.TypeOf<WeightFileException>()
            .With.Message.Contain("25 not in the network: extra.0,").And.Message.Contain("extra.9, ...").And.Message.Not.Contain("extra.10"));
    }

    [Test]
    public void AModuleWithoutMemoryIsComparedButNotLoaded()
    {
        using var module = new Linear(3, 4, Placement.Meta);
        using var source = new MemoryWeights(("weight", Ramp(4, 3)), ("bias", Ramp(4)));
        Assert.That(WeightLoader.Compare(module, source).Fits, Is.True);
        Assert.That(() => WeightLoader.Load(module, source), Throws.InvalidOperationException);
        Assert.That(source.Reads, Is.Zero);
    }

    private static Linear Zeroed()
    {
        var module = new Linear(3, 4, Placement.Cpu);
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters())
        {
            using IDisposable guard = no_grad();
            parameter.zero_();
        }

        return module;
    }

    private static Tensor Ramp(params long[] shape) => arange(shape.Aggregate(1L, (a, b) => a * b), dtype: ScalarType.Float32).reshape(shape);
}
