namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A reward in several sums is disposed once, by the last of them, in whatever order they go.</summary>
public class RewardOwnershipTests
{
    [Test]
    public void TwoSumsShareAPart([Values] bool firstGoesFirst)
    {
        Counted shared = new("shared"), left = new("left"), right = new("right");
        VideoReward[] sums = [shared + left, right + shared];
        (VideoReward first, VideoReward last) = firstGoesFirst ? (sums[0], sums[1]) : (sums[1], sums[0]);
        (Counted gone, Counted kept) = firstGoesFirst ? (left, right) : (right, left);
        first.Dispose();
        Assert.That((shared.Disposals, gone.Disposals, kept.Disposals), Is.EqualTo((0, 1, 0)));
        Assert.That(Scores(last), "the other sum still scores");
        last.Dispose();
        Assert.That((shared.Disposals, gone.Disposals, kept.Disposals), Is.EqualTo((1, 1, 1)));
    }

    [Test]
    public void ARewardIsScaledTwice([Values] bool firstGoesFirst)
    {
        var reward = new Counted("x");
        VideoReward[] scaled = [reward * 2f, 3f * reward];
        scaled[firstGoesFirst ? 0 : 1].Dispose();
        Assert.That(reward.Disposals, Is.Zero);
        Assert.That(Scores(scaled[firstGoesFirst ? 1 : 0]));
        scaled[firstGoesFirst ? 1 : 0].Dispose();
        Assert.That(reward.Disposals, Is.EqualTo(1));
    }

    [Test]
    public void ASumOfAScaledRewardAndItselfOwnsItOnce()
    {
        var reward = new Counted("x");
        VideoReward sum = (reward * 2f) + reward + (reward * -0.5f);
        Assert.That(Scores(sum));
        sum.Dispose();
        Assert.That(reward.Disposals, Is.EqualTo(1), "the multiples and sums on the way went with the last");
    }

    [Test]
    public void ANestedSumGoesBeforeOrAfterTheOneAroundIt([Values] bool innerFirst, [Values] bool normalized)
    {
        Counted a = new("a"), b = new("b"), c = new("c");
        VideoReward inner = VideoRewards.Mix([(a, 1f), (b, 2f)], normalized), outer = inner + c + a;
        if (innerFirst)
        {
            inner.Dispose();
            Assert.That((a.Disposals, c.Disposals), Is.EqualTo((0, 0)));
            Assert.That(b.Disposals, Is.EqualTo(normalized ? 1 : 0), "a normalized sum stays whole: what it alone holds goes with it");
            if (!normalized)
            {
                Assert.That(Scores(outer), "the outer sum holds the plain rewards themselves");
            }
        }

        outer.Dispose();
        inner.Dispose();
        Assert.That((a.Disposals, b.Disposals, c.Disposals), Is.EqualTo((1, 1, 1)));
    }

    [Test]
    public void APartWhoseWeightsCancelGoesWithTheSum()
    {
        Counted a = new("a"), b = new("b");
        VideoReward sum = a + b + (a * -1f);
        Assert.That(sum.Name, Is.EqualTo("b"));
        sum.Dispose();
        Assert.That((a.Disposals, b.Disposals), Is.EqualTo((1, 1)));
    }

    [Test]
    public void ASumThatCannotBeMadeTakesNothingOver()
    {
        Counted a = new("a"), falling = new("falling", new RewardContract { Direction = ScoreDirection.LowerIsBetter });
        Assert.That(() => a + falling, Throws.TypeOf<RewardContractException>());
        Assert.That(() => a * 0f, Throws.TypeOf<RewardContractException>());
        Assert.That((a.Disposals, falling.Disposals), Is.EqualTo((0, 0)));
        VideoReward sum = a * 2f;
        sum.Dispose();
        Assert.That(a.Disposals, Is.EqualTo(1), "no owner was left behind");
    }

    [Test]
    public void ItsMakerMayDisposeItAtOnce()
    {
        var a = new Counted("a");
        VideoReward sum = a * 2f;
        a.Dispose();
        Assert.That(() => Scores(sum), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("'a'"));
        sum.Dispose();
        a.Dispose();
        Assert.That(a.Disposals, Is.EqualTo(1));
    }

    [Test]
    public void ManyThreadsDisposeOnce()
    {
        var shared = new Counted("shared");
        VideoReward[] sums = [.. Enumerable.Range(0, 64).Select(_ => shared * 2f)];
        Parallel.ForEach(sums, sum => sum.Dispose());
        Assert.That(shared.Disposals, Is.EqualTo(1));
    }

    [Test]
    public void ItsNetworksAreDisposedWithIt()
    {
        var reward = new Networked();
        Tensor weight = reward.Network.weight!;
        (reward * 2f).Dispose();
        Assert.That(weight.IsInvalid, "the base class disposes what Networks names");
    }

    private static bool Scores(VideoReward reward)
    {
        using Tensor frames = SmallRewards.Frames(2, 3, 2, 8, 8), score = reward.Score(frames, []);
        return score.isfinite().all().item<bool>();
    }

    private sealed class Counted(string name, RewardContract? contract = null) : VideoReward
    {
        private int _disposals;

        public int Disposals => _disposals;

        public override string Name => name;

        public override RewardContract Contract { get; } = contract ?? new();

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => frames.mean([1, 2, 3, 4]);

        protected override void Dispose(bool disposing)
        {
            Interlocked.Increment(ref _disposals);
            base.Dispose(disposing);
        }
    }

    private sealed class Networked : VideoReward
    {
        public TorchSharp.Modules.Linear Network { get; } = nn.Linear(3, 1);

        public override string Name => "networked";

        public override RewardContract Contract { get; } = new();

        protected internal override IEnumerable<nn.Module> Networks => [Network];

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => Network.call(frames.mean([2, 3, 4])).squeeze(1);
    }
}
