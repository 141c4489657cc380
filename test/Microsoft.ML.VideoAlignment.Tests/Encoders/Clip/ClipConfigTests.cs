using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ClipConfigTests
{
    [Test]
    public void AbsentKeysHaveTheReferencesDefaults()
    {
        ClipConfig config = ClipConfig.FromJson(Json("""{ "text_config": {}, "vision_config": { "hidden_size": 1024 } }"""));
        Assert.That(config.Text, Is.EqualTo(new ClipTextConfig()));
        Assert.That(config.Vision, Is.EqualTo(new ClipVisionConfig { HiddenSize = 1024 }));
    }

    [Test]
    public void TheTopLevelProjectionWidthCountsForBothHalves()
    {
        ClipConfig config = ClipConfig.FromJson(Json(
            """{ "projection_dim": 768, "text_config": { "projection_dim": 512, "eos_token_id": 2 }, "vision_config": { "projection_dim": 640 } }"""));
        Assert.That((config.Text.ProjectionDim, config.Vision.ProjectionDim, config.Text.EosTokenId), Is.EqualTo((768L, 768L, 2L)));
    }

    [Test]
    public void TheRepeatedHalfOfOldFilesIsFollowed()
    {
        var config = ClipVisionConfig.FromJson(Json(
            """{ "vision_config": { "patch_size": 32, "image_size": 336 }, "vision_config_dict": { "patch_size": 14 } }"""));
        Assert.That((config.PatchSize, config.ImageSize), Is.EqualTo((14L, 336L)));
    }

    [Test]
    public void AnUnknownActivationIsAnError() =>
        Assert.That(() => new ClipTextEncoder(new ClipTextConfig { HiddenAct = "snake" }, false, Placement.Meta),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("snake").And.Message.Contains("quick_gelu"));

    [Test]
    public void ATowersConfigIsNoWholeModels() =>
        Assert.That(() => ClipConfig.FromJson(Json("""{ "hidden_size": 1024 }""")),
            Throws.InstanceOf<InvalidDataException>().With.Message.Contains("text_config"));

    /// <summary>Names and shapes of the official files, S18.</summary>
    [TestCase("modelscope-text-encoder")]
    [TestCase("openai-clip-vit-large-patch14")]
    [TestCase("svd-image-encoder")]
    [TestCase("pickscore-v1")]
    public void FullSizeNetworksHaveTheOfficialKeysAndShapes(string model)
    {
        string folder = Path.Combine(ConformanceCase.Root, "S18-manifests", model);
        if (!Directory.Exists(folder))
        {
            Assert.Ignore($"there is no {folder}");
        }

        using var file = new GZipStream(File.OpenRead(Path.Combine(folder, "manifest.json.gz")), CompressionMode.Decompress);
        using JsonDocument manifest = JsonDocument.Parse(file);
        JsonElement config = manifest.RootElement.GetProperty("config");
        string[] official =
        [
            .. manifest.RootElement.GetProperty("keys").EnumerateObject()
                .Select(key => $"{key.Name} [{string.Join(", ", key.Value[0].EnumerateArray())}]")
                .Where(key => !key.Contains("position_ids", StringComparison.Ordinal)),
        ];
        using nn.Module network = config.TryGetProperty("text_config", out _) ? new ClipModel(ClipConfig.FromJson(config), Placement.Meta)
            : config.TryGetProperty("image_size", out _) ? new ClipVisionEncoder(ClipVisionConfig.FromJson(config), true, Placement.Meta)
            : new ClipTextEncoder(ClipTextConfig.FromJson(config), false, Placement.Meta);
        Assert.That(network.state_dict().Select(pair => $"{pair.Key} {Shapes.Describe(pair.Value)}"), Is.EquivalentTo(official));
        Assert.That(network.parameters().Sum(parameter => parameter.numel()), Is.EqualTo(manifest.RootElement.GetProperty("parameters").GetInt64()));
    }

    private static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
