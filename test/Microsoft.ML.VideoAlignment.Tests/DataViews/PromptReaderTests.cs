using Microsoft.ML.VideoAlignment.DataViews;

namespace Microsoft.ML.VideoAlignment.Tests;

public class PromptReaderTests
{
    [Test]
    public void PromptsComeInTheOrderOfTheRowsEmptyOnesIncluded()
    {
        var rig = new DoorRig();
        Assert.That(PromptReader.Read(rig.Table("b", "", "a"), "Prompt"), Is.EqualTo(new[] { "b", "", "a" }));
    }

    [Test]
    public void ATableWithoutRowsIsAnError() => Assert.That(
        () => PromptReader.Read(new DoorRig().Table(), "Prompt"),
        Throws.InvalidOperationException.With.Message.Contains("no prompts").And.Message.Contains("'Prompt'"));
}
