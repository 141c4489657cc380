using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoModelReferenceTests
{
    /// <summary>Version 0.1 wrote other names of precisions.</summary>
    [TestCase("Full", WeightPrecision.Float32)]
    [TestCase("BrainHalf", WeightPrecision.BFloat16)]
    [TestCase("Half", WeightPrecision.Float16)]
    [TestCase("EightBit", WeightPrecision.Int8)]
    [TestCase("Int8", WeightPrecision.Int8)]
    public void PrecisionsOfAllVersionsAreRead(string name, WeightPrecision precision)
    {
        string json = $$"""{ "Family": "ModelScope", "Source": "here", "Hash": "00", "Precision": "{{name}}" }""";
        Assert.That(JsonSerializer.Deserialize<VideoModelReference>(json)!.Precision, Is.EqualTo(precision));
    }

    [Test]
    public void APrecisionThatIsNotOneIsRefused() => Assert.That(
        () => JsonSerializer.Deserialize<VideoModelReference>("""{ "Family": "", "Source": "", "Hash": "", "Precision": "Quarter" }"""),
        Throws.TypeOf<JsonException>().With.Message.Contains("Float16"));
}
