using System.Text.Json;
using Microsoft.ML.VideoAlignment.MovingShapes.Stages;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// The embedded folders' configurations have the types that transformers 5 and diffusers declare: a float is written 1.0, for strict data classes refuse 1.
/// </summary>
public class ConfigurationFormTests
{
    // As the classes declare them: CLIPConfig, CLIPTextConfig, CLIPVisionConfig, VideoMAEConfig, YolosConfig, and the models' and schedulers' __init__.
    private static readonly HashSet<string> s_floats = new(StringComparer.Ordinal)
    {
        "attention_dropout", "attention_probs_dropout_prob", "beta_end", "beta_start", "clip_sample_range", "dynamic_thresholding_ratio", "eos_coefficient",
        "hidden_dropout_prob", "initializer_factor", "initializer_range", "layer_norm_eps", "logit_scale_init_value", "mid_block_scale_factor", "norm_eps",
        "sample_max_value", "scaling_factor", "sigma_max", "sigma_min",
    };

    private static IEnumerable<string> Files() =>
        Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "MovingShapes"), "*config.json", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(AppContext.BaseDirectory, file)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Files))]
    public void NumbersHaveTheirTypes(string file)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, file)));
        Check(json.RootElement);

        static void Check(JsonElement element)
        {
            foreach (JsonProperty property in element.ValueKind == JsonValueKind.Object ? element.EnumerateObject() : default)
            {
                Check(property.Value);
                if (property.Value.ValueKind == JsonValueKind.Number)
                {
                    bool isFloat = property.Value.GetRawText().AsSpan().IndexOfAny(".Ee") >= 0;
                    Assert.That(isFloat, Is.EqualTo(s_floats.Contains(property.Name)), $"{property.Name}: {property.Value.GetRawText()}");
                }
            }
        }
    }

    [TestCase(1, "1.0")]
    [TestCase(0, "0.0")]
    [TestCase(-80, "-80.0")]
    [TestCase(0.55, "0.55")]
    [TestCase(1e-5, "1E-05")]
    [TestCase(1e300, "1E+300")]
    public void AFloatIsWrittenAsOne(double value, string text)
    {
        Assert.That(JsonSerializer.Serialize(value, ShipStage.Indented), Is.EqualTo(text));
        Assert.That(JsonSerializer.Serialize(1, ShipStage.Indented), Is.EqualTo("1"));
    }
}
