using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

public class RewardMixTests
{
    private static readonly string[] s_prompts = ["a", "b"];

    [Test]
    public void ASumIsTheWeightedSumOfItsPartsAndReportsThem()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = (Channel("red", 0) * 1.5f + Channel("green", 1)) * 2f + 0.5f * Channel("blue", 2);
        Tensor frames = rand([2L, 3, 4, 8, 8]).requires_grad_(true);
        Tensor score = mix.Score(frames, s_prompts, out IReadOnlyDictionary<string, Tensor> parts);
        Assert.That(mix.Name, Is.EqualTo("3 * red + 2 * green + 0.5 * blue"));
        Assert.That(parts.Keys, Is.EqualTo(new[] { "red", "green", "blue" }));
        Tensor expected = (parts["red"] * 3) + (parts["green"] * 2) + (parts["blue"] * 0.5);
        Assert.That(score.allclose(expected));
        score.sum().backward();
        Assert.That(frames.grad![0, 0, 0, 0, 0].item<float>(), Is.EqualTo(3f / (4 * 8 * 8)).Within(1e-7));
    }

    [Test]
    public void OneRewardInTwoPlacesIsScoredOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        int calls = 0;
        VideoReward part = VideoRewards.Custom("part", (frames, _) =>
        {
            calls++;
            return frames.mean([1, 2, 3, 4]);
        });
        using VideoReward mix = part + (part * 2f);
        using Tensor score = mix.Score(rand([2L, 3, 1, 4, 4]), []);
        Assert.That((calls, mix.Name, mix.Contract.QueriesPerCall), Is.EqualTo((1, "3 * part", 1)));
    }

    [Test]
    public void ASingleRewardReportsItself()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward red = Channel("red", 0);
        Tensor score = red.Score(rand([2L, 3, 4, 8, 8]), s_prompts, out IReadOnlyDictionary<string, Tensor> parts);
        Assert.That(parts["red"].Equals(score));
    }

    [Test]
    public void PartsOfOneNameAreToldApart()
    {
        using VideoReward mix = Channel("x", 0) + Channel("x", 1);
        Assert.That(((RewardMix)mix).Parts.Select(part => part.Name), Is.EqualTo(new[] { "x", "x (2)" }));
    }

    [Test]
    public void TheContractIsTheStrictestOfTheParts()
    {
        using VideoReward mix = VideoRewards.Mix(
            (Channel("a", 0, new RewardContract { MinimumFrames = 3, FrameMultiple = 4, ScoreRange = (0, 1), FramesPerSecond = 8, WorkingSize = (32, 32) }),
                2f),
            (Channel("b", 1, new RewardContract
            {
                FrameMultiple = 6,
                ReadsPrompt = true,
                IsDifferentiable = false,
                ScoreRange = (1, 5),
                Direction = ScoreDirection.LowerIsBetter
            }), -1f));
        Assert.That(mix.Contract, Is.EqualTo(new RewardContract
        {
            MinimumFrames = 3,
            FrameMultiple = 12,
            ReadsPrompt = true,
            IsDifferentiable = false,
            FramesPerSecond = 8,
            ScoreRange = (-5, 1),
            QueriesPerCall = 2,
        }));
    }

    [Test]
    public void PartsWhoseFramesMeetInNoVideoAreRefused() => Assert.That(
        () => Channel("a", 0, new RewardContract { FrameMultiple = 65_536 }) + Channel("b", 1, new RewardContract { FrameMultiple = 65_537 }),
        Throws.TypeOf<RewardContractException>().With.Message.Contains("65536").And.Message.Contains("4295032832"));

    [Test]
    public void PartsThatImproveInOppositeDirectionsAreRefused()
    {
        VideoReward size = Channel("size", 0, new RewardContract { Direction = ScoreDirection.LowerIsBetter });
        Assert.That(() => size + Channel("beauty", 1),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("1 * size falls").And.Message.Contains("other sign"));
        Assert.That((size * -2f).Contract.Direction, Is.EqualTo(ScoreDirection.HigherIsBetter));
        Assert.That(() => size * 0f, Throws.TypeOf<RewardContractException>());
        Assert.That(() => size * float.NaN, Throws.TypeOf<RewardContractException>());
        Assert.That(() => VideoRewards.Mix(), Throws.TypeOf<RewardContractException>());
    }

    [Test]
    public void ImagesPreparedAlikeAreMadeOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        var frames = new PreprocessedFrames(rand([2L, 3, 4, 20, 24]));
        Tensor first = frames.Images(FramePreprocessing.ForClip(16));
        Assert.That(frames.Images(FramePreprocessing.ForClip(16)), Is.SameAs(first));
        Assert.That(first.shape, Is.EqualTo(new long[] { 8, 3, 16, 16 }));
        Assert.That(frames.Images(FramePreprocessing.ForClip(20)), Is.Not.SameAs(first));
        Assert.That(frames.ImageSets, Is.EqualTo(2));
    }

    /// <summary>red gives 0, 1 and then 2, 3: means 0.5 and 1.5, deviations sqrt(1/2) and sqrt(5/3).</summary>
    [Test]
    public void NormalisationRunsOverTrainingBatchesOnly()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = VideoRewards.Mix([(Channel("red", 0), 2f), (Channel("constant", 1), 1f)], normalize: true);
        Assert.That(Values(mix.Score(Red(0, 1), s_prompts)), Is.EqualTo(new[] { 0f, 2f }), "nothing is known yet: mean 0, deviation 1");
        Tensor first = mix.Score(Red(0, 1).requires_grad_(true), s_prompts);
        Assert.That(Values(first), Is.EqualTo(new[] { -Math.Sqrt(2), Math.Sqrt(2) }).Within(1e-6));
        Tensor frames = Red(2, 3).requires_grad_(true);
        Tensor second = mix.Score(frames, s_prompts, out IReadOnlyDictionary<string, Tensor> parts);
        double deviation = Math.Sqrt(5.0 / 3);
        Assert.That(Values(second), Is.EqualTo(new[] { 2 * 0.5 / deviation, 2 * 1.5 / deviation }).Within(1e-6));
        Assert.That(Values(parts["red"]), Is.EqualTo(new[] { 2f, 3f }), "parts are reported as they are");
        second.sum().backward();
        Assert.That(frames.grad![0, 0, 0, 0, 0].item<float>(), Is.EqualTo(2 / deviation / (4 * 4)).Within(1e-6), "the moments are constants");

        float[] scored = Values(mix.Score(Red(0, 3), s_prompts));
        using (no_grad())
        {
            mix.Score(Red(70, 90).requires_grad_(true), s_prompts);
        }

        Assert.That(Values(mix.Score(Red(0, 3), s_prompts)), Is.EqualTo(scored), "scoring changes nothing");
        mix.BeginTraining();
        Assert.That(Values(mix.Score(Red(0, 1), s_prompts)), Is.EqualTo(new[] { 0f, 2f }), "a run begins anew");
    }

    [Test]
    public void ANormalizedSumIsSavedWithItsMoments()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward mix = VideoRewards.Mix([(MovingShapesRewards.Aesthetic(), 2f)], normalize: true);
        mix.Score(SmallRewards.Frames(3, 3, 1, 32, 32).requires_grad_(true), []);
        RewardReference reference = RewardReference.FromJson(mix.Reference.ToJson());
        using VideoReward again = CompanionPackages.MakeReward(reference);
        Tensor frames = rand([2L, 3, 1, 32, 32]);
        Assert.That(Values(again.Score(frames, [])), Is.EqualTo(Values(mix.Score(frames, []))));
        using VideoReward plain = MovingShapesRewards.Aesthetic() * 2f;
        Assert.That(Values(plain.Score(frames, [])), Is.Not.EqualTo(Values(mix.Score(frames, []))).Within(1e-3f));
        RewardReference spoilt = reference with { PartMoments = ["1 2"] };
        Assert.That(() => CompanionPackages.MakeReward(spoilt), Throws.TypeOf<InvalidDataException>().With.Message.Contains("moments"));
    }

    [Test]
    public void ANormalizedSumStaysWholeInAnother()
    {
        using DisposeScope scope = NewDisposeScope();
        VideoReward inner = VideoRewards.Mix([(Channel("red", 0), 1f), (Channel("blue", 2), 1f)], normalize: true);
        using VideoReward outer = (inner * 0.5f) + Channel("green", 1);
        Assert.That(((RewardMix)outer).Parts.Select(part => part.Name), Is.EqualTo(new[] { "normalized (red + blue)", "green" }));
        outer.Score(Red(0, 1).requires_grad_(true), s_prompts);
        outer.BeginTraining();
        Assert.That(Values(inner.Score(Red(0, 1), s_prompts)), Is.EqualTo(new[] { 0f, 1f }));
    }

    [Test]
    public void ASumOwnsItsParts()
    {
        var parts = new[] { new Tracked(), new Tracked() };
        VideoReward mix = (parts[0] * 2f) + parts[1];
        mix.Dispose();
        Assert.That(parts.All(part => part.Disposed));
    }

    /// <summary>Two videos of one frame of 4 x 4 pixels, all red of these values.</summary>
    private static Tensor Red(float first, float second)
    {
        Tensor frames = zeros([2L, 3, 1, 4, 4]);
        frames[0, 0].fill_(first);
        frames[1, 0].fill_(second);
        return frames;
    }

    private static float[] Values(Tensor tensor) => tensor.detach().data<float>().ToArray();

    private static VideoReward Channel(string name, int channel, RewardContract? contract = null) =>
        VideoRewards.Custom(name, (frames, _) => frames.select(1, channel).mean([1, 2, 3]), contract);

    private sealed class Tracked : VideoReward
    {
        public bool Disposed { get; private set; }

        public override string Name => "tracked";

        public override RewardContract Contract { get; } = new();

        public override void MoveTo(Device device)
        {
        }

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => frames.mean([1, 2, 3, 4]);

        protected override void Dispose(bool disposing)
        {
            Disposed = true;
            base.Dispose(disposing);
        }
    }
}
