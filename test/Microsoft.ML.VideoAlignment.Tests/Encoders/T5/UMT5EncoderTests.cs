using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>UMT5: T5 whose every block has a table of position biases, under transformers' names or those of Wan's own file.</summary>
public class UMT5EncoderTests
{
    private DisposeScope _scope = null!;

    [SetUp]
    public void Open() => _scope = NewDisposeScope();

    [TearDown]
    public void Close() => _scope.Dispose();

    [Test]
    public void EveryBlockAddsItsOwnTable()
    {
        (string Name, Tensor Value)[] weights = SmallT5.Weights(SmallT5.Umt5);
        Tensor plain = Encode(weights);
        for (int block = 0; block < 3; block++)
        {
            string name = TableOf(block);
            Assert.That((Encode(weights, with: (name, weights.Single(pair => pair.Name == name).Value.flip(0))) - plain).abs().max().item<float>(),
                Is.GreaterThan(1e-4), $"the table of block {block} takes part");
        }

        // A T5 is a UMT5 whose tables are all the first.
        Tensor table = weights.Single(pair => pair.Name == TableOf(0)).Value;
        (string, Tensor)[] alike = [.. weights.Select(pair => IsTable(pair.Name) ? (pair.Name, table) : pair)];
        using var source = new MemoryWeights([.. weights.Where(pair => !IsTable(pair.Name) || pair.Name == TableOf(0))]);
        using var t5 = T5Encoder.FromSource(source, SmallT5.Config, Placement.Cpu);
        Assert.That((Encode(alike) - t5.Encode(SmallT5.Ids(), SmallT5.Mask())).abs().max().item<float>(), Is.LessThan(1e-6));
    }

    [Test]
    public void WansOwnNamesAreRead()
    {
        (string Name, Tensor Value)[] weights = SmallT5.Weights(SmallT5.Umt5);
        (string Name, Tensor Value)[] wan = [.. weights.Select(pair => (WanName(pair.Name), pair.Value))];
        Assert.That(wan.Select(pair => pair.Name), Has.None.Contains("layer"));
        Tensor expected = Encode(weights);
        Assert.That(Encode(wan).Equals(expected));
        using var streamed = new StreamedT5Encoder(new MemoryWeights(wan), SmallT5.Umt5, Placement.Cpu);
        Assert.That(streamed.Encode(SmallT5.Ids(), SmallT5.Mask()).Equals(expected), "streamed");
    }

    /// <summary>Wan's own file has no configuration beside it.</summary>
    [Test]
    public void TheSizesOfAFileAreThoseOfItsTensors([Values] bool wan)
    {
        using var folder = new TemporaryFolder();
        T5Config config = SmallT5.Umt5 with { RelativeAttentionMaxDistance = 128 };
        (string Name, Tensor Value)[] weights = SmallT5.Weights(config);
        string path = folder.Path("umt5.safetensors");
        SafetensorsWriter.Write(path, weights.ToDictionary(pair => wan ? WanName(pair.Name) : pair.Name, pair => pair.Value));
        using IT5Encoder resident = T5Files.Open(path, Placement.Cpu, TextEncoderLoading.Memory);
        using IT5Encoder streamed = T5Files.Open(path, Placement.Cpu, TextEncoderLoading.Streamed);
        Assert.That(resident.Config, Is.EqualTo(config));
        Assert.That(streamed, Is.TypeOf<StreamedT5Encoder>());
        Assert.That(streamed.Encode(SmallT5.Ids(), SmallT5.Mask()).Equals(resident.Encode(SmallT5.Ids(), SmallT5.Mask())));
        Assert.That(T5Files.CountBytes(path, Placement.Cpu, TextEncoderLoading.Memory), Is.EqualTo(4 * weights.Sum(pair => pair.Value.numel())));
    }

    [Test]
    public void AFileOfAnotherNetworkIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Path("other.safetensors");
        SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["token_embedding.weight"] = zeros(4, 4) });
        Assert.That(() => T5Files.Open(path, Placement.Cpu),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains("UMT5").And.Message.Contains("relative_attention_bias").And.Message.Contains(path));
    }

    [TestCase("blocks.1.attn.x.weight")]
    [TestCase("blocks.1.ffn.fc3.weight")]
    [TestCase("blocks.7.norm1.weight")]
    [TestCase("head.weight")]
    public void ANameThatWansFileDoesNotHaveIsUnexpected(string name)
    {
        (string, Tensor)[] weights = [.. SmallT5.Weights(SmallT5.Umt5).Select(pair => (WanName(pair.Name), pair.Value)), (name, zeros(12))];
        Assert.That(() => Encode(weights), Throws.InstanceOf<WeightFileException>().With.Message.Contains(name));
    }

    [Test]
    public void StreamedNumbersAreTheResidentOnes()
    {
        (string, Tensor)[] weights = SmallT5.Weights(SmallT5.Umt5);
        using var streamed = new StreamedT5Encoder(new MemoryWeights(weights), SmallT5.Umt5, Placement.Cpu);
        Assert.That(streamed.Encode(SmallT5.Ids(), SmallT5.Mask()).Equals(Encode(weights)));
    }

    /// <summary>A configuration that takes one model for the other is told by the tables.</summary>
    [Test]
    public void OneModelsWeightsDoNotFitTheOther()
    {
        using var umt5 = new MemoryWeights(SmallT5.Weights(SmallT5.Umt5));
        using var t5 = new MemoryWeights(SmallT5.Weights());
        Assert.That(() => T5Encoder.FromSource(umt5, SmallT5.Config, Placement.Cpu),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains(TableOf(1)));
        Assert.That(() => T5Encoder.FromSource(t5, SmallT5.Umt5, Placement.Cpu),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains(TableOf(1)));
    }

    [TestCase("""{ }""", false, 32128)]
    [TestCase("""{ "model_type": "t5" }""", false, 32128)]
    [TestCase("""{ "model_type": "mt5" }""", false, 250112)]
    [TestCase("""{ "model_type": "umt5" }""", true, 250112)]
    public void TheModelTypeDecidesTablesAndDefaults(string json, bool hasBias, long words)
    {
        var config = T5Config.FromJson(JsonDocument.Parse(json).RootElement);
        Assert.That((config.HasBiasInEveryBlock, config.VocabSize, config.IsGated), Is.EqualTo((hasBias, words, words > 32128)));
    }

    [TestCase("\"bert\"")]
    [TestCase("3")]
    public void AnotherModelTypeIsRefused(string type) => Assert.That(
        () => T5Config.FromJson(JsonDocument.Parse($$"""{ "model_type": {{type}} }""").RootElement),
        Throws.InstanceOf<InvalidDataException>().With.Message.Contains("model_type"));

    [Test]
    public void StatesBeyondTheTextAreZerosWhateverTheyWere()
    {
        Tensor states = ones(2, 5, 3);
        states[1, 3] = double.NaN;
        states.requires_grad_(true);
        Tensor padded = T5States.ZeroPadding(states, SmallT5.Mask(), 7);
        Assert.That(padded.sum(new long[] { 2 }).data<float>().ToArray(), Is.EqualTo(new float[] { 3, 3, 3, 3, 3, 0, 0, 3, 3, 3, 0, 0, 0, 0 }));
        padded.sum().backward();
        Assert.That(states.grad!.sum(new long[] { 2 }).data<float>().ToArray(), Is.EqualTo(new float[] { 3, 3, 3, 3, 3, 3, 3, 3, 0, 0 }));
        Assert.That(() => T5States.ZeroPadding(states, SmallT5.Mask(), 4), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("5"));
    }

    private static string TableOf(int block) => $"encoder.block.{block}.layer.0.SelfAttention.relative_attention_bias.weight";

    private static bool IsTable(string name) => name.EndsWith("relative_attention_bias.weight", StringComparison.Ordinal);

    private static Tensor Encode((string Name, Tensor Value)[] weights, (string Name, Tensor Value)? with = null)
    {
        using var source = new MemoryWeights([.. weights.Select(pair => pair.Name == with?.Name ? with.Value : pair)]);
        using var encoder = T5Encoder.FromSource(source, SmallT5.Umt5, Placement.Cpu);
        return encoder.Encode(SmallT5.Ids(), SmallT5.Mask());
    }

    private static string WanName(string key)
    {
        (string Key, string Wan)[] parts =
        [
            ("shared.", "token_embedding."), ("encoder.final_layer_norm.", "norm."), ("encoder.block.", "blocks."), ("layer.0.layer_norm.", "norm1."),
            ("layer.0.SelfAttention.relative_attention_bias.", "pos_embedding.embedding."), ("layer.0.SelfAttention.", "attn."),
            ("layer.1.layer_norm.", "norm2."), ("layer.1.DenseReluDense.wi_0.", "ffn.gate.0."), ("layer.1.DenseReluDense.wi_1.", "ffn.fc1."),
            ("layer.1.DenseReluDense.wo.", "ffn.fc2."),
        ];
        return parts.Aggregate(key, (name, part) => name.Replace(part.Key, part.Wan, StringComparison.Ordinal));
    }
}
