using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipLoadingTests
{
    private DisposeScope _scope = null!;
    private ClipModel _model = null!;

    [SetUp]
    public void Open()
    {
        _scope = NewDisposeScope();
        _model = SmallClip.Model();
    }

    [TearDown]
    public void Close()
    {
        _model.Dispose();
        _scope.Dispose();
    }

    [Test]
    public void TheVisionTowerOfAWholeModelIsLoadedWithoutReadingTheText()
    {
        (string Name, Tensor Value)[] all = SmallClip.Weights(_model);
        using var source = new MemoryWeights(all);
        using ClipVisionEncoder encoder = ClipVisionEncoder.FromSource(source, SmallClip.Config.Vision, Placement.Cpu);
        Tensor pixels = SmallClip.Pixels();
        Assert.That(source.Reads, Is.EqualTo(all.Count(pair => pair.Name.StartsWith("vis", StringComparison.Ordinal))));
        Assert.That(encoder.call(pixels).Equals(_model.GetImageFeatures(pixels)), "embedding of the same weights");
    }

    [Test]
    public void TheTextTowerOfAWholeModelIsLoadedWithoutReadingTheVision()
    {
        (string Name, Tensor Value)[] all = SmallClip.Weights(_model);
        using var source = new MemoryWeights(all);
        using ClipTextEncoder encoder = ClipTextEncoder.FromSource(source, SmallClip.Config.Text, Placement.Cpu);
        using ClipOutput output = encoder.Encode(SmallClip.Ids());
        Assert.That(source.Reads, Is.EqualTo(all.Count(pair => pair.Name.StartsWith("text", StringComparison.Ordinal))));
        Assert.That(output.Embedding!.Equals(_model.GetTextFeatures(SmallClip.Ids())), "embedding of the same weights");
    }

    [Test]
    public void NewestTextFilesHaveNoTowerPrefixAndOldOnesPositionIds()
    {
        (string Name, Tensor Value)[] bare =
        [
            .. SmallClip.Weights(_model).Where(pair => pair.Name.StartsWith("text_model.", StringComparison.Ordinal))
                .Select(pair => (pair.Name["text_model.".Length..], pair.Value)),
            ("embeddings.position_ids", arange(6, dtype: ScalarType.Int64).reshape(1, 6)),
        ];
        using var source = new MemoryWeights(bare);
        using ClipTextEncoder encoder = ClipTextEncoder.FromSource(source, SmallClip.Config.Text, Placement.Cpu);
        using ClipOutput output = encoder.Encode(SmallClip.Ids());
        Assert.That(output.Embedding, Is.Null, "no projection in the file");
        Assert.That(source.Reads, Is.EqualTo(bare.Length - 1));
    }

    [Test]
    public void AnEntryThatIsNeitherTowersIsAnError()
    {
        using var source = new MemoryWeights([.. SmallClip.Weights(_model), ("text_model.encoder.layers.7.mlp.fc1.weight", zeros(3))]);
        Assert.That(() => ClipModel.FromSource(source, SmallClip.Config, Placement.Cpu),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains("layers.7"));
    }

    [Test]
    public void AFolderWithoutConfigurationOrWeightsSaysWhatIsMissing()
    {
        string folder = Directory.CreateTempSubdirectory("clip").FullName;
        try
        {
            Assert.That(() => ClipVisionEncoder.FromFolder(folder, Placement.Cpu),
                Throws.InstanceOf<WeightFileException>().With.Message.Contains("config.json"));
            File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
            Assert.That(() => ClipVisionEncoder.FromFolder(folder, Placement.Cpu, "fp16"),
                Throws.InstanceOf<WeightFileException>().With.Message.Contains("model.fp16.safetensors").And.Message.Contains("Omit the variant"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
