using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class T5EncoderTests
{
    private DisposeScope _scope = null!;

    [SetUp]
    public void Open() => _scope = NewDisposeScope();

    [TearDown]
    public void Close() => _scope.Dispose();

    /// <summary>By hand from arXiv 1910.10683's rule for 32 buckets and distance 128: 8 + trunc(ln(r / 8) / ln(16) * 8).</summary>
    [TestCase(0, 0)]
    [TestCase(-1, 1)]
    [TestCase(-7, 7)]
    [TestCase(-8, 8)]
    [TestCase(-15, 9)]
    [TestCase(-16, 10)]
    [TestCase(-64, 14)]
    [TestCase(-500, 15)]
    [TestCase(1, 17)]
    [TestCase(33, 28)]
    [TestCase(128, 31)]
    public void BucketsAreSingleNearAndLogarithmicFar(long relative, long bucket) => Assert.That(T5PositionBias.Bucket(relative, 32, 128), Is.EqualTo(bucket));

    [Test]
    public void PaddingIsNotLookedAtAndARowOfPaddingStaysFinite()
    {
        using T5Encoder encoder = Load();
        Tensor ids = SmallT5.Ids();
        Tensor mask = SmallT5.Mask();
        Tensor padded = encoder.Encode(ids, mask);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Largest(encoder.Encode(ids[1..2, ..3], null) - padded[1..2, ..3]), Is.LessThan(1e-6), "as without the padding");
            Assert.That(Largest(encoder.Encode(ids, null) - padded), Is.GreaterThan(1e-3), "without a mask it takes part");
            Assert.That(encoder.Encode(ids, zeros_like(mask)).isfinite().all().item<bool>(), "nothing but padding");
        }
    }

    [TestCase("relu")]
    [TestCase("gated-silu")]
    [TestCase("gated-gelu")]
    public void EveryFeedForwardHasItsOwnKeysAndNumbers(string kind)
    {
        T5Config config = SmallT5.Config with { FeedForwardProj = kind };
        (string Name, Tensor Value)[] weights = SmallT5.Weights(config);
        using var source = new MemoryWeights(weights);
        using var encoder = T5Encoder.FromSource(source, config, Placement.Cpu);
        Tensor Weight(string name) => weights.Single(pair => pair.Name == $"encoder.block.0.layer.1.{name}.weight").Value;
        Tensor x = arange(24, dtype: ScalarType.Float32).reshape(1, 2, 12).cos();
        Tensor normal = x * (x.square().mean([-1L], keepdim: true) + config.LayerNormEpsilon).rsqrt() * Weight("layer_norm");
        Tensor Product(string name) => normal.matmul(Weight($"DenseReluDense.{name}").t());
        Tensor gate = kind == "relu" ? Product("wi") : Product("wi_0");
        Tensor inner = kind switch
        {
            "relu" => gate.relu(),
            "gated-silu" => gate * gate.sigmoid() * Product("wi_1"),
            _ => 0.5 * gate * (1 + ((gate + (0.044715 * gate.pow(3))) * Math.Sqrt(2 / Math.PI)).tanh()) * Product("wi_1"),
        };
        Tensor expected = inner.matmul(Weight("DenseReluDense.wo").t());
        using var layer = new T5FeedForwardLayer(config, Placement.Cpu);
        WeightLoader.Load(layer, source, "encoder.block.0.layer.1.");
        Assert.That(Largest(layer.Forward(x) - expected), Is.LessThan(1e-5));
    }

    [Test]
    public void AnUnknownFeedForwardIsRefused() =>
        Assert.That(() => T5Config.FromJson(System.Text.Json.JsonDocument.Parse("""{ "feed_forward_proj": "gated-elu" }""").RootElement),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("feed_forward_proj"));

    [Test]
    public void OfAWholeModelTheEncoderIsReadUnderEitherNameOfTheTable()
    {
        (string Name, Tensor Value)[] weights = SmallT5.Weights();
        Tensor table = weights.Single(pair => pair.Name == T5Keys.Shared).Value;
        using T5Encoder plain = Load();
        Tensor expected = plain.Encode(SmallT5.Ids(), null);
        (string, Tensor)[] rest = [("decoder.block.0.layer.0.SelfAttention.q.weight", zeros(3)), ("lm_head.weight", zeros(24, 12))];
        foreach ((string, Tensor)[] files in new (string, Tensor)[][]
        {
            [.. weights, .. rest, (T5Keys.EmbedTokens, table)],
            [.. weights.Where(pair => pair.Name != T5Keys.Shared), .. rest, (T5Keys.EmbedTokens, table)],
        })
        {
            using var source = new MemoryWeights(files);
            using var encoder = T5Encoder.FromSource(source, SmallT5.Config, Placement.Cpu);
            Assert.That(source.Reads, Is.EqualTo(weights.Length), "nothing is read twice or in vain");
            Assert.That(encoder.Encode(SmallT5.Ids(), null).Equals(expected));
            using var streamed = new StreamedT5Encoder(new MemoryWeights(files), SmallT5.Config, Placement.Cpu);
            Assert.That(streamed.Encode(SmallT5.Ids(), null).Equals(expected), "streamed");
        }
    }

    [TestCase(ScalarType.Float32)]
    [TestCase(ScalarType.Float16)]
    [TestCase(ScalarType.BFloat16)]
    public void StreamedNumbersAreTheResidentOnes(ScalarType stored)
    {
        var placement = new Placement(CPU, stored);
        using var source = new MemoryWeights(SmallT5.Weights());
        using var resident = T5Encoder.FromSource(source, SmallT5.Config, placement);
        using var streamed = new StreamedT5Encoder(new MemoryWeights(SmallT5.Weights()), SmallT5.Config, placement);
        Tensor expected = resident.Encode(SmallT5.Ids(), SmallT5.Mask());
        Tensor first = streamed.Encode(SmallT5.Ids(), SmallT5.Mask());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(first.dtype, Is.EqualTo(ScalarType.Float32), "computed in float32 whatever the weights are stored in");
            Assert.That(first.Equals(expected));
            Assert.That(streamed.Encode(SmallT5.Ids(), SmallT5.Mask()).Equals(expected), "a second call");
        }
    }

    [Test]
    public void StreamingReadsBlockAfterBlock()
    {
        var source = new WatchedWeights(SmallT5.Config);
        using var streamed = new StreamedT5Encoder(source, SmallT5.Config, Placement.Cpu);
        Assert.That(source.Names, Is.Empty, "opening reads no value");
        streamed.Encode(SmallT5.Ids(), SmallT5.Mask());
        Assert.That(source.Names.Select(name => string.Join('.', name.Split('.').Take(3))).Distinct(),
            Is.EqualTo(new[] { "shared.weight", "encoder.block.0", "encoder.block.1", "encoder.block.2", "encoder.final_layer_norm.weight" }));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void StreamingHoldsOneBlockAtATime(bool everyBlockHasABias)
    {
        T5Config config = SmallT5.Config with { NumLayers = 10, HasBiasInEveryBlock = everyBlockHasABias };
        var source = new WatchedWeights(config);
        using var streamed = new StreamedT5Encoder(source, config, Placement.Cpu);
        streamed.Encode(SmallT5.Ids(), SmallT5.Mask());

        // Before the first block there is no bias.
        long[] alive = [.. source.AliveAtBlocks.Skip(1)];
        Assert.That(alive, Has.Length.EqualTo(9));
        Assert.That(alive.Distinct().Count(), Is.EqualTo(1), $"tensors alive when a block's first weight is read: {string.Join(", ", alive)}");
    }

    [Test]
    public void AFileOfAnotherModelIsRefusedBeforeAnythingIsRead()
    {
        var source = new MemoryWeights(SmallT5.Weights(SmallT5.Config with { DFf = 24 }));
        Assert.That(() => new StreamedT5Encoder(source, SmallT5.Config, Placement.Cpu),
            Throws.InstanceOf<WeightFileException>().With.Message.Contains("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"));
        Assert.That(source.Reads, Is.Zero);
    }

    [Test]
    public void BytesCountEveryWeightOnce() => Assert.That(
        T5Files.CountBytes(SmallT5.Config, ScalarType.Float16), Is.EqualTo(2 * SmallT5.Weights().Sum(pair => pair.Value.numel())));

    /// <summary>What an estimate counts: all weights, or of those that are streamed the largest part.</summary>
    [TestCase(TextEncoderLoading.Memory, false)]
    [TestCase(TextEncoderLoading.Streamed, true)]
    public void BytesOfAFolderAreThoseInMemoryAtATime(TextEncoderLoading loading, bool isPart)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.Path("config.json"), JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["vocab_size"] = 500,
            ["d_model"] = 16,
            ["d_kv"] = 4,
            ["d_ff"] = 32,
            ["num_layers"] = 3,
            ["num_heads"] = 2,
        }));
        long bytes = T5Files.CountBytes(folder.ToString(), Placement.OnCpu(WeightPrecision.BFloat16), loading);
        const long Table = 500 * 16;
        Assert.That(bytes, isPart ? Is.EqualTo(2 * Table) : Is.GreaterThan(2 * Table).And.LessThan(4 * Table));
    }

    private static T5Encoder Load()
    {
        using var source = new MemoryWeights(SmallT5.Weights());
        return T5Encoder.FromSource(source, SmallT5.Config, Placement.Cpu);
    }

    private static double Largest(Tensor difference) => difference.abs().max().item<float>();

    /// <summary>Weights of zeros that are made when they are read; remembers their names and how many tensors were alive.</summary>
    private sealed class WatchedWeights : IWeightSource
    {
        private readonly List<string> _names = [];

        public WatchedWeights(T5Config config)
        {
            using var shapes = new T5Encoder(config, Placement.Meta);
            Entries = shapes.state_dict().ToDictionary(pair => pair.Key, pair => new WeightInfo(ScalarType.Float32, pair.Value.shape), StringComparer.Ordinal);
        }

        public IReadOnlyList<string> Names => _names;

        /// <summary>Tensors of this thread that were alive when a block's first weight was asked for.</summary>
        public List<long> AliveAtBlocks { get; } = [];

        public string Location => "zeros";

        public IReadOnlyDictionary<string, WeightInfo> Entries { get; }

        public Tensor Read(string name)
        {
            string Block(string of) => string.Join('.', of.Split('.').Take(3));
            if (name.StartsWith("encoder.block.", StringComparison.Ordinal) && (_names.Count == 0 || Block(_names[^1]) != Block(name)))
            {
                AliveAtBlocks.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            }

            _names.Add(name);
            return zeros([.. Entries[name].Shape]);
        }

        public void Dispose()
        {
        }
    }
}
