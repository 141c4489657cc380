using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Tests;

public class MaskStrategyTests
{
    [Test]
    public void MissingFieldsHaveTheReferencesDefaults() =>
        Assert.That(MaskStrategy.Parse("1,2;0;"), Is.EqualTo(new[] { new MaskStrategy(1, 2, 0, 0, 1, 0), new MaskStrategy(0, 0, 0, 0, 1, 0) }));

    [TestCase("0,0,x", "field 3")]
    [TestCase("0,0,0,0,1,half", "field 6")]
    [TestCase("0,0,0,0,1,0,0", "at most 6")]
    public void WhatIsNoGroupIsRefused(string text, string named) => Assert.That(() => MaskStrategy.Parse(text), Throws.InstanceOf<FormatException>().With.Message.Contains(named));

    /// <summary>A video of one clip is VADER's loop 1, and loop 0 where nothing is written for that; films count clips from 0.</summary>
    [TestCase("", 1, 0, 1, ExpectedResult = "0")]
    [TestCase("", 0, 0, 1, ExpectedResult = "")]
    [TestCase("", 1, 1, 3, ExpectedResult = "")]
    [TestCase("0,1;1,0", 2, 0, 1, ExpectedResult = "0")]
    [TestCase("0,1", 2, 0, 1, ExpectedResult = "1")]
    [TestCase("2,0", 1, 0, 1, ExpectedResult = "")]
    [TestCase("0,1;1,0;1,1", 2, 0, 3, ExpectedResult = "1")]
    [TestCase("0,1;1,0;1,1", 2, 1, 3, ExpectedResult = "0,1")]
    [TestCase("0,1;1,0;1,1", 2, 2, 3, ExpectedResult = "")]
    public string EachClipHasItsLoopsGroups(string strategy, int references, int clip, int clips) =>
        string.Join(',', MaskStrategy.InClip(strategy, references, clip, clips, only: 1).Select(group => group.Reference));

    [Test]
    public void AReferenceThatIsNotThereIsNamed()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(
            () => MaskStrategy.Apply(zeros([1, 4, 5, 2, 2]), [[zeros([4, 5, 2, 2])]], ["0,1"], loop: 0, align: null), Throws.ArgumentException.With.Message.Contains("reference 1"));
    }
}
