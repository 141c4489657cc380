using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

public class AlignmentColumnsTests
{
    private static readonly AlignmentColumns s_columns = new("Video", "Prompt", Seed: null, Image: null);

    [Test]
    public void PromptsComeInTheOrderOfTheRowsEmptyOnesIncluded() => Assert.That(
        Read("b", "", "a").Select(row => row.Text), Is.EqualTo(new[] { "b", "", "a" }));

    [Test]
    public void ATableWithoutRowsIsAnError() => Assert.That(
        () => Read(),
        Throws.InvalidOperationException.With.Message.Contains("no prompts").And.Message.Contains("'Prompt'"));

    private static IReadOnlyList<VideoPrompt> Read(params string[] prompts)
    {
        using var model = new TinyVideoModel();
        var images = new PromptImages(model, new SamplingSettings { Size = model.Model.DefaultSize, Steps = 1, GuidanceScale = 1 }, _ => { });
        return s_columns.Read(new DoorRig().Table(prompts), images);
    }
}
