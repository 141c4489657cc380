using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class OpenClipTests
{
    [TestCase("hpsv2")]
    [TestCase("hpsv2.1")]
    public void TheOfficialConfigurationFollowsFromTheShapes(string model)
    {
        JsonElement manifest = Manifest(model);
        using var file = new MemoryWeights([.. manifest.GetProperty("keys").EnumerateObject().Select(key =>
            (key.Name, empty([.. key.Value[0].EnumerateArray().Select(size => size.GetInt64())], device: META)))]);
        Assert.That(OpenClipConfig.FromTensors(file), Is.EqualTo(OpenClipConfig.FromJson(manifest.GetProperty("config"))));
    }

    [Test]
    public void AbsentKeysHaveOpenClipsDefaults()
    {
        using JsonDocument json = JsonDocument.Parse("""{"embed_dim": 512, "vision_cfg": {}, "text_cfg": {}}""");
        Assert.That(OpenClipConfig.FromJson(json.RootElement), Is.EqualTo(new OpenClipConfig(
            512,
            new OpenClipVisionConfig
            {
                ImageHeight = 224,
                ImageWidth = 224,
                PatchSize = 16,
                Layers = 12,
                Layer = OpenClipLayer.CreateShape(768, 3072, 12, quickGelu: false),
            },
            new OpenClipTextConfig { ContextLength = 77, VocabSize = 49408, Layers = 12, Layer = OpenClipLayer.CreateShape(512, 2048, 8, quickGelu: false) })));
    }

    [Test]
    public void OfAHalfThatIsNotWantedNothingIsRead()
    {
        using DisposeScope scope = NewDisposeScope();
        (string Name, Tensor Value)[] weights = SmallPreference.Weights();
        int vision = weights.Count(pair => pair.Name.StartsWith("visual.", StringComparison.Ordinal));
        (OpenClipHalves Halves, int Expected)[] cases =
        [
            (OpenClipHalves.Vision, vision), (OpenClipHalves.Text, weights.Length - vision - 1), (OpenClipHalves.Both, weights.Length),
        ];
        foreach ((OpenClipHalves halves, int expected) in cases)
        {
            using var source = new MemoryWeights(weights);
            using OpenClipModel model = OpenClipModel.FromSource(source, SmallPreference.Config, halves, Placement.Cpu);
            Assert.That(source.Reads, Is.EqualTo(expected), $"{halves}");
        }
    }

    [Test]
    public void PatchesThatMakeNoSquareAreTold()
    {
        using DisposeScope scope = NewDisposeScope();
        using var source = new MemoryWeights(
            [.. SmallPreference.Weights().Select(pair => pair.Name == "visual.positional_embedding" ? (pair.Name, zeros(16, 64)) : pair)]);
        Assert.That(() => OpenClipConfig.FromTensors(source), Throws.TypeOf<WeightFileException>().With.Message.Contains("15 patches"));
    }

    [Test]
    public void HeadsThatDoNotDivideTheWidthAreTold()
    {
        using DisposeScope scope = NewDisposeScope();
        using var source = new MemoryWeights(SmallPreference.Weights());
        Assert.That(() => OpenClipConfig.FromTensors(source, visionHeadWidth: 24), Throws.TypeOf<WeightFileException>().With.Message.Contains("24"));
        Assert.That(OpenClipConfig.FromTensors(source, visionHeadWidth: 16, textHeadWidth: 32).Vision!.Layer.Heads, Is.EqualTo(4));
    }

    /// <summary>
    /// Aesthetic (the image tower of CLIP-L/14 and LAION's head) and HPS v2 in half precision: 2.0 GB are enough once HPS has released its text tower.
    /// </summary>
    [Test]
    public void AestheticAndPreferenceTogetherHoldLessThanTwoGigabytes()
    {
        using DisposeScope scope = NewDisposeScope();
        Placement half = Placement.Meta with { Dtype = ScalarType.Float16 };
        var visionConfig = ClipVisionConfig.FromJson(Manifest("openai-clip-vit-large-patch14").GetProperty("config"));
        var clip = new ClipVisionEncoder(visionConfig, withProjection: true, half);
        var config = OpenClipConfig.FromJson(Manifest("hpsv2").GetProperty("config"));
        long[] head = [768, 1024, 128, 64, 16, 1];
        long headBytes = 2 * head.Zip(head.Skip(1), (from, to) => (from * to) + to).Sum();
        long vision = Bytes(clip) + headBytes + Bytes(new OpenClipModel(config, OpenClipHalves.Vision, half));
        long text = Bytes(new OpenClipModel(config, OpenClipHalves.Text, half));
        TestContext.Out.WriteLine($"{vision / 1e9:f3} GB, and {text / 1e9:f3} GB of text tower until prompts are restricted");
        Assert.That(vision, Is.LessThanOrEqualTo(2_000_000_000));
        Assert.That(vision, Is.GreaterThan(1_800_000_000), "both networks were counted");

        static long Bytes(nn.Module module) => module.parameters().Sum(parameter => parameter.numel() * parameter.element_size());
    }

    private static JsonElement Manifest(string model)
    {
        using FileStream file = File.OpenRead(Path.Combine(ConformanceCase.Root, "S18-manifests", model, "manifest.json.gz"));
        using var unzipped = new GZipStream(file, CompressionMode.Decompress);
        using JsonDocument json = JsonDocument.Parse(unzipped);
        return json.RootElement.Clone();
    }
}
