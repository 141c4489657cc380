using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What the host knows of a condition's rows goes with the rows.</summary>
public class ConditionTests
{
    private static readonly VideoSize s_size = new(1, 8, 8);

    [Test]
    public void WhatTheHostKnowsGoesWithTheRows()
    {
        using DisposeScope scope = NewDisposeScope();
        Condition both = Condition.Stack(Make([3, 1], 24), Make([2], 8));
        Condition chosen = both.Rows(2, 0, 2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(both.TextLengths, Is.EqualTo(new long[] { 3, 1, 2 }));
            Assert.That(both.FrameRates, Is.EqualTo(new float[] { 24, 24, 8 }));
            Assert.That(chosen.TextLengths, Is.EqualTo(new long[] { 2, 3, 2 }).And.EqualTo(HostRead.UsedColumns(chosen.TextMask!)));
            Assert.That(chosen.FrameRates, Is.EqualTo(new float[] { 8, 24, 8 }).And.EqualTo(HostRead.Numbers<float>(chosen.Scalars!)));
        }
    }

    [Test]
    public void WhatIsNotKnownOfAPartIsNotKnownOfTheWhole()
    {
        using DisposeScope scope = NewDisposeScope();
        Condition unknown = Make([2], 8) with { TextLengths = null };
        Condition both = Condition.Stack(Make([3], 24), unknown);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(both.TextLengths, Is.Null);
            Assert.That(both.Rows(1).TextLengths, Is.Null);
            Assert.That(both.FrameRates, Has.Count.EqualTo(2));
        }
    }

    [Test]
    public void AStateThatIsReadIsKnownAgain()
    {
        using DisposeScope scope = NewDisposeScope();
        Condition saved = Make([3, 1], 24), loaded = Reloaded(saved);
        Assert.That((loaded.TextLengths, loaded.FrameRates), Is.EqualTo((saved.TextLengths, saved.FrameRates)));
    }

    [Test]
    public void TheStatesOfImagesGoWithTheRows()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor states = arange(12f).view(2, 3, 2);
        Condition images = Make([3, 1], 24) with { ImageStates = states };
        Condition both = Condition.Stack(images, images);
        Assert.That(both.ImageStates!.Equals(cat([states, states])));
        Assert.That(both.Rows(3, 0).ImageStates!.Equals(states.flip(0)));
        Assert.That(Reloaded(images).ImageStates!.Equals(states));
        Assert.That(Reloaded(Make([3, 1], 24)).ImageStates is null);
        Assert.That(images.CountBytes() - Make([3, 1], 24).CountBytes(), Is.EqualTo(48));
    }

    private static Condition Reloaded(Condition saved)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Path("state.safetensors");
        var content = new StateWriter();
        saved.Save(content.AddSection("condition"));
        RunState.Write(path, new string('a', 32), 1, 1, new RunFingerprint([]), content);
        using var state = RunState.Open(path);
        return Condition.Load(state.Content.OpenSection("condition"), CPU);
    }

    private static Condition Make(long[] lengths, float rate) => new()
    {
        Text = ones(lengths.Length, 4, 2),
        TextMask = stack([.. lengths.Select(length => arange(4).lt(length).to_type(ScalarType.Int64))]),
        Scalars = full([lengths.Length, 1], rate),
        TextLengths = lengths,
        FrameRates = [.. lengths.Select(_ => rate)],
        Size = s_size,
    };
}
