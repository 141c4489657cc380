namespace Microsoft.ML.VideoAlignment.Tests;

public class AlignmentColumnsTests
{
    private static readonly AlignmentColumns s_columns = new("Video", "Prompt", Seed: null, Image: null);

    [Test]
    public void PromptsComeInTheOrderOfTheRowsEmptyOnesIncluded() => Assert.That(
        s_columns.Read(new DoorRig().Table("b", "", "a"), default, _ => { }).Select(row => row.Text), Is.EqualTo(new[] { "b", "", "a" }));

    [Test]
    public void ATableWithoutRowsIsAnError() => Assert.That(
        () => s_columns.Read(new DoorRig().Table(), default, _ => { }),
        Throws.InvalidOperationException.With.Message.Contains("no prompts").And.Message.Contains("'Prompt'"));
}
