using Microsoft.ML.VideoAlignment.Rewards.TextImage;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Embeddings of prompts while the encoder waits elsewhere. Where it waits it would give other numbers, and none of them is ever seen.</summary>
public class PromptEmbeddingsTests
{
    private bool _works = true;
    private Func<bool, Exception?> _stuck = static _ => null;
    private Exception? _fault;
    private List<string> _moves = [];
    private PromptEmbeddings _embeddings = null!;

    [SetUp]
    public void Make()
    {
        (_works, _stuck, _fault, _moves) = (true, static _ => null, null, []);
        _embeddings = new PromptEmbeddings("words", Encode, Move);
    }

    [TearDown]
    public void Free() => _embeddings.Dispose();

    [Test]
    public void PreparedPromptsNeedNoEncoder()
    {
        using (_embeddings.Prepare(["a cat", "", "a cat", "a dog"]))
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That(_embeddings.Encoded, Is.EqualTo(3));
                Assert.That(_embeddings.IsEncoderOffloaded);
                Assert.That(Embedded("a dog", "", "a cat"), Is.EqualTo(Expected("a dog", "", "a cat")));
                Assert.That(_moves, Is.EqualTo(new[] { "waits" }));
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(_moves, Is.EqualTo(new[] { "waits", "works" }), "back where it was, needed or not");
            Assert.That(Embedded("a cow"), Is.EqualTo(Expected("a cow")), "new prompts after the run");
        }
    }

    [Test]
    public void APromptThatWasNotAnnouncedCallsTheEncoderBackForItself()
    {
        using IDisposable run = _embeddings.Prepare(["a cat"]);
        Assert.That(Embedded("a cow", "a cat"), Is.EqualTo(Expected("a cow", "a cat")));
        Assert.That(_moves, Is.EqualTo(new[] { "waits", "works", "waits" }));
    }

    [Test]
    public void RunsMayOverlap()
    {
        IDisposable first = _embeddings.Prepare(["a cat"]), second = _embeddings.Prepare(["a cat", "a dog"]);
        first.Dispose();
        first.Dispose();
        Assert.That(_embeddings.IsEncoderOffloaded, "the second run goes on");
        second.Dispose();
        Assert.That(_moves, Is.EqualTo(new[] { "waits", "works", "waits", "works" }), "the second run has a prompt of its own");
    }

    /// <summary>Others may score thousands of prompts meanwhile, which are forgotten in turn; those of a run are not encoded twice.</summary>
    [Test]
    public void WhatARunNeedsIsNotForgotten()
    {
        using IDisposable run = _embeddings.Prepare(["a cat", "a dog"]);
        for (int part = 0; part < 9; part++)
        {
            Embedded([.. Enumerable.Range(0, 500).Select(number => $"{part} {number}")]);
        }

        int encoded = _embeddings.Encoded;
        Assert.That(encoded, Is.EqualTo(2 + 4500));
        Assert.That(Embedded("a dog", "a cat"), Is.EqualTo(Expected("a dog", "a cat")));
        Assert.That(_embeddings.Encoded, Is.EqualTo(encoded));
        Embedded("0 0");
        Assert.That(_embeddings.Encoded, Is.EqualTo(encoded + 1), "the oldest were");
    }

    [Test]
    public void APromptThatCannotBeEncodedLeavesTheEncoderInPlace()
    {
        _fault = new TimeoutException();
        Assert.That(() => _embeddings.Prepare(["a cat"]), Throws.TypeOf<TimeoutException>());
        _fault = null;
        Assert.That(_embeddings.IsEncoderOffloaded, Is.False);
        Assert.That(Embedded("a cat"), Is.EqualTo(Expected("a cat")));
        Assert.That(_moves, Is.Empty);
    }

    [Test]
    public void AnEncoderThatCannotLeaveIsBroughtBack()
    {
        _stuck = works => works ? null : new InvalidOperationException();
        Assert.That(() => _embeddings.Prepare(["a cat"]), Throws.TypeOf<InvalidOperationException>());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_moves, Is.EqualTo(new[] { "waits", "works" }), "some of its weights may have been moved");
            Assert.That(_embeddings.IsEncoderOffloaded, Is.False);
            Assert.That(Embedded("a cow"), Is.EqualTo(Expected("a cow")));
        }
    }

    [Test]
    public void AnEncoderThatCouldNotReturnIsBroughtBackWhenItIsNeeded()
    {
        IDisposable run = _embeddings.Prepare(["a cat"]);
        _stuck = works => works ? new InvalidOperationException() : null;
        Assert.That(run.Dispose, Throws.TypeOf<InvalidOperationException>());
        _stuck = static _ => null;
        Assert.That(Embedded("a cow"), Is.EqualTo(Expected("a cow")));
        Assert.That(_embeddings.IsEncoderOffloaded, Is.False);
    }

    [Test]
    public void ACanceledRunEncodesNoMore()
    {
        using var canceled = new CancellationTokenSource();
        canceled.Cancel();
        _embeddings.Prepare(["a cat", "a dog"], canceled.Token).Dispose();
        Assert.That(_embeddings.Encoded, Is.Zero);
        Assert.That(Embedded("a cat"), Is.EqualTo(Expected("a cat")), "scores are not canceled");
    }

    [Test]
    public void WithoutAnEncoderOnlyItsPromptsCanBePrepared()
    {
        _embeddings.RestrictTo(["a cat", "a dog"]);
        Assert.That(() => _embeddings.Prepare(["a cat", "a cow"]), Throws.TypeOf<RewardContractException>().With.Message.Contains("'a cow'"));
        using IDisposable run = _embeddings.Prepare(["a dog"]);
        Assert.That(Embedded("a cat"), Is.EqualTo(Expected("a cat")));
    }

    [Test]
    public void ARewardThatIsDisposedInARunMovesNothingAfterwards()
    {
        IDisposable run = _embeddings.Prepare(["a cat"]);
        _embeddings.Dispose();
        Assert.That(run.Dispose, Throws.Nothing);
        Assert.That(_moves, Is.EqualTo(new[] { "waits" }));
    }

    /// <summary>Threads that score new prompts while runs come and go: the encoder is never moved while it encodes.</summary>
    [Test]
    public void ThreadsScoreWhileRunsComeAndGo()
    {
        Task[] tasks = [.. Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int turn = 0; turn < 50; turn++)
            {
                string prompt = $"{thread} {turn}";
                using IDisposable? run = thread % 2 == 0 ? _embeddings.Prepare([prompt, "a cat"]) : null;
                Assert.That(Embedded(prompt, "a cat"), Is.EqualTo(Expected(prompt, "a cat")));
            }
        }))];
        Task.WaitAll(tasks);
        Assert.That(_embeddings.IsEncoderOffloaded, Is.False);
    }

    /// <summary>The library's own towers: what is announced is encoded, the text tower waits and is counted, and scores are the same to the bit.</summary>
    [TestCase("preference")]
    [TestCase("similarity")]
    [TestCase("pick score")]
    [TestCase("video")]
    public void RewardsOfThisLibraryPrepareTheirTextTower(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = Reward(name);
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 32);
        float[] before = Values(reward.Score(frames, SmallRewards.Prompts)), other = Values(reward.Score(frames, ["no", ""]));
        using VideoReward fresh = Reward(name);
        using VideoReward sum = fresh * 1f;
        using (sum.PreparePrompts(SmallRewards.Prompts, CancellationToken.None))
        {
            Assert.That(Values(fresh.Score(frames, SmallRewards.Prompts)), Is.EqualTo(before));
            fresh.MoveTo(CPU);
            Assert.That(Values(fresh.Score(frames, ["no", ""])), Is.EqualTo(other), "a prompt that was not announced");
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Values(fresh.Score(frames, SmallRewards.Prompts)), Is.EqualTo(before));
            Assert.That(sum.StoredForPrompts.Sum(static tensor => tensor.numel()), Is.Positive.And.EqualTo(
                fresh.Stored.Sum(static tensor => tensor.numel()) - Restricted(name)));
        }
    }

    private static long Restricted(string name)
    {
        using VideoReward reward = Reward(name);
        reward.RestrictToPrompts([""]);
        Assert.That(reward.StoredForPrompts, Is.Empty);
        return reward.Stored.Sum(static tensor => tensor.numel());
    }

    private static VideoReward Reward(string name) => name switch
    {
        "preference" => VideoRewards.HumanPreferenceV2(SmallPreference.File, SmallRewards.ClipFolder),
        "similarity" => VideoRewards.TextImageSimilarity(SmallRewards.ClipFolder),
        "pick score" => VideoRewards.PickScore(SmallRewards.ClipFolder),
        _ => VideoRewards.VideoTextSimilarity(SmallRewards.ClipFolder),
    };

    private static float[] Values(Tensor scores) => scores.data<float>().ToArray();

    private float[] Embedded(params string[] prompts)
    {
        using Tensor embedded = _embeddings.Embed(prompts);
        return embedded.data<float>().ToArray();
    }

    private static float[] Expected(params string[] prompts) =>
        [.. prompts.SelectMany(static prompt => new float[] { prompt.Length, prompt.Sum(static letter => letter) })];

    private Tensor Encode(IReadOnlyList<string> prompts)
    {
        if (_fault is { } fault)
        {
            throw fault;
        }

        float factor = _works ? 1 : 2;
        Thread.Yield();
        Assert.That(_works ? 1 : 2, Is.EqualTo(factor), "moved while it encodes");
        return tensor([.. Expected([.. prompts]).Select(number => number * factor)]).view(prompts.Count, 2);
    }

    private void Move(bool works)
    {
        _moves.Add(works ? "works" : "waits");
        if (_stuck(works) is { } failure)
        {
            throw failure;
        }

        _works = works;
    }
}
