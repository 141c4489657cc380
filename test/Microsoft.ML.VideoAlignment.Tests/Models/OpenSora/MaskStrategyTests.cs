using Microsoft.ML.VideoAlignment.Models.OpenSora;

namespace Microsoft.ML.VideoAlignment.Tests;

public class MaskStrategyTests
{
    [Test]
    public void MissingFieldsHaveTheReferencesDefaults() =>
        Assert.That(MaskStrategy.Parse("1,2;0;"), Is.EqualTo(new[] { new MaskStrategy(1, 2, 0, 0, 1, 0), new MaskStrategy(0, 0, 0, 0, 1, 0) }));

    [TestCase("0,0,x", "field 3")]
    [TestCase("0,0,0,0,1,half", "field 6")]
    [TestCase("0,0,0,0,1,0,0", "at most 6")]
    public void WhatIsNoGroupIsRefused(string text, string named) =>
        Assert.That(() => MaskStrategy.Parse(text), Throws.InstanceOf<FormatException>().With.Message.Contains(named));

    /// <summary>A video of one clip is VADER's loop 1, and loop 0 where nothing is written for that; videos count clips from 0.</summary>
    [TestCase("", 1, 0, 1, ExpectedResult = "0")]
    [TestCase("", 0, 0, 1, ExpectedResult = "")]
    [TestCase("", 1, 1, 3, ExpectedResult = "")]
    [TestCase("0,1;1,0", 2, 0, 1, ExpectedResult = "0")]
    [TestCase("0,1", 2, 0, 1, ExpectedResult = "1")]
    [TestCase("2,0", 1, 0, 1, ExpectedResult = "")]
    [TestCase("0,1;1,0;1,1", 2, 0, 3, ExpectedResult = "1")]
    [TestCase("0,1;1,0;1,1", 2, 1, 3, ExpectedResult = "0,1")]
    [TestCase("0,1;1,0;1,1", 2, 2, 3, ExpectedResult = "")]
    public string EachSegmentHasItsLoopsGroups(string strategy, int references, int segment, int segments) =>
        string.Join(',', MaskStrategy.InSegment(strategy, references, segment, segments, only: 1).Select(group => group.Reference));

    [TestCase("0,0,-1,0", new[] { 4f, 0, 0, 0, 0 })]
    [TestCase("0,0,-5,-1", new[] { 0f, 0, 0, 0, 0 }, TestName = "{m}(the reference's first frame is 0)")]
    [TestCase("0,0,-2,-2,9", new[] { 0f, 0, 0, 3, 4 })]
    public void NegativeStartsCountFromTheEnd(string strategy, float[] expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor reference = arange(5f).view(1, 5, 1, 1);
        (Tensor z, Tensor mask) = MaskStrategy.Apply(zeros([1, 1, 5, 1, 1]), [[reference]], [strategy], loop: 0, align: null);
        Assert.That(z.flatten().data<float>().ToArray(), Is.EqualTo(expected));
        Assert.That(mask.sum().ToSingle(), Is.EqualTo(strategy.EndsWith('9') ? 3 : 4));
    }

    [TestCase("0,0,-6,0")]
    [TestCase("0,0,0,-6")]
    public void AStartBeforeTheFirstFrameIsRefused(string strategy)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(
            () => MaskStrategy.Apply(zeros([1, 1, 5, 1, 1]), [[zeros([1, 5, 1, 1])]], [strategy], loop: 0, align: null),
            Throws.InstanceOf<FormatException>().With.Message.Contains("6 latent frames").And.Message.Contains("-5 to 4"));
    }

    [Test]
    public void AReferenceThatIsNotThereIsNamed()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.That(
            () => MaskStrategy.Apply(zeros([1, 4, 5, 2, 2]), [[zeros([4, 5, 2, 2])]], ["0,1"], loop: 0, align: null),
                Throws.ArgumentException.With.Message.Contains("reference 1"));
    }
}
