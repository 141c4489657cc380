using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RewardFramesTests
{
    [Test]
    public void OneRandomFrameIsUniform()
    {
        var random = new Random(1);
        int[] counts = new int[5];
        for (int i = 0; i < 5000; i++)
        {
            counts[RewardFrames.OneRandom.Select(5, random.Next).Single()]++;
        }

        // 1000 expected each, standard deviation 28: four of them.
        Assert.That(counts, Is.All.InRange(888, 1112));
    }

    [Test]
    public void RandomFramesAreDifferentSortedAndUnbiased()
    {
        var random = new Random(2);
        int[] counts = new int[6];
        for (int i = 0; i < 4000; i++)
        {
            IReadOnlyList<int> frames = RewardFrames.RandomFrames(3).Select(6, random.Next);
            Assert.That(frames, Is.Ordered.And.Unique);
            foreach (int frame in frames)
            {
                counts[frame]++;
            }
        }

        // 2000 expected each, standard deviation 32.
        Assert.That(counts, Is.All.InRange(1870, 2130));
    }

    [Test]
    public void SpacedFramesAreTheCentersOfEqualParts() =>
        Assert.That(RewardFrames.Spaced(4).Select(16, _ => 0), Is.EqualTo(new[] { 2, 6, 10, 14 }));

    [Test]
    public void EveryNthFrameBeginsWithTheFirst()
    {
        Assert.That(RewardFrames.EveryNth(2).Select(7, _ => 0), Is.EqualTo(new[] { 0, 2, 4, 6 }));
        Assert.That(RewardFrames.EveryNth(3).Select(7, _ => 0), Is.EqualTo(new[] { 0, 3, 6 }));
        Assert.That(RewardFrames.EveryNth(9).Select(7, _ => 0), Is.EqualTo(new[] { 0 }));
        Assert.That(() => RewardFrames.EveryNth(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void WindowsLieOverJointsAndTheLastOneEndsWithTheVideo()
    {
        RewardFrames even = RewardFrames.Windows(length: 8, stride: 4), uneven = RewardFrames.Windows(length: 8, stride: 5);
        Assert.That(even.Select(24, _ => 0), Is.EqualTo(Enumerable.Range(0, 24)), "each frame is decoded once");
        Assert.That(even.FindWindows(24), Is.EqualTo(new[] { 0, 4, 8, 12, 16 }.Select(first => Enumerable.Range(first, 8).ToArray())));
        Assert.That(uneven.FindWindows(24)!.Select(window => window[0]), Is.EqualTo(new[] { 0, 5, 10, 15, 16 }));
        Assert.That(even.FindWindows(8)!.Single(), Is.EqualTo(Enumerable.Range(0, 8)));
        Assert.That((even.Count(24), even.CountTogether(24)), Is.EqualTo((24, 8)));
        Assert.That(RewardFrames.Spaced(4).FindWindows(24), Is.Null);
        Assert.That(RewardFrames.Spaced(4).CountTogether(24), Is.EqualTo(4));
    }

    /// <summary>What a resumed run compares.</summary>
    [Test]
    public void WindowsAreDescribedWhole() =>
        Assert.That(FactText.Describe(RewardFrames.Windows(8, 4)), Is.EqualTo("Windowed { Length = 8, Stride = 4 }"));

    [Test]
    public void FramesBetweenWindowsAreNotShown()
    {
        RewardFrames apart = RewardFrames.Windows(length: 2, stride: 4);
        Assert.That(apart.Select(9, _ => 0), Is.EqualTo(new[] { 0, 1, 4, 5, 7, 8 }));
        Assert.That(apart.FindWindows(9), Is.EqualTo(new[] { new[] { 0, 1 }, [2, 3], [4, 5] }), "places among what is shown");
    }

    [Test]
    public void WindowsThatCannotBeAreRefused() =>
        Assert.Multiple(() =>
        {
            Assert.That(() => RewardFrames.Windows(0, 1), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("at least 1 frame"));
            Assert.That(() => RewardFrames.Windows(8, 0),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("RewardFrames.Windows: the stride"));
            Assert.That(() => RewardFrames.Windows(9, 4).Count(8), Throws.InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("a window of 9 frames does not fit into a video of 8").And.Message.Contains("RewardFrames.Windows"));
        });

    [Test]
    public void AllAndChosen()
    {
        Assert.That(RewardFrames.All.Select(3, _ => 0), Is.EqualTo(new[] { 0, 1, 2 }));
        Assert.That(RewardFrames.Chosen(0, 2).Select(3, _ => 0), Is.EqualTo(new[] { 0, 2 }));
    }

    [Test]
    public void FramesThatTheVideoDoesNotHaveAreRefused() =>
        Assert.Multiple(() =>
        {
            Assert.That(() => RewardFrames.RandomFrames(9).Select(8, _ => 0),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("8 frames"));
            Assert.That(() => RewardFrames.Chosen(8).Select(8, _ => 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => RewardFrames.Spaced(0).Select(8, _ => 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        });

    /// <summary>In the log and in saved alignments.</summary>
    [Test]
    public void EveryChoiceSaysWhichFramesItMeans() => Assert.That(
        new[]
        {
            RewardFrames.OneRandom, RewardFrames.RandomFrames(3), RewardFrames.All, RewardFrames.Spaced(4), RewardFrames.EveryNth(2), RewardFrames.Chosen(0, 5),
        }.Select(frames => $"{frames}"),
        Is.EqualTo(new[] { "1 at random", "3 at random", "all", "4 evenly spread", "0, 2, 4, ...", "0, 5" }));

    [Test]
    public void ChosenFramesAreAscendingAndAtLeastOne()
    {
        Assert.That(() => RewardFrames.Chosen(), Throws.ArgumentException.With.Message.Contains("at least one frame"));
        Assert.That(() => RewardFrames.Chosen(1, 0), Throws.ArgumentException.With.Message.Contains("ascending").And.Message.Contains("got 1, 0"));
        Assert.That(() => RewardFrames.Chosen(2, 2), Throws.ArgumentException.With.Message.Contains("ascending"));
    }
}
