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

    [Test]
    public void AReferenceThatIsNotThereIsNamed()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(
            () => MaskStrategy.Apply(zeros([1, 4, 5, 2, 2]), [[zeros([4, 5, 2, 2])]], ["0,1"], loop: 0, align: null), Throws.ArgumentException.With.Message.Contains("reference 1"));
    }
}
