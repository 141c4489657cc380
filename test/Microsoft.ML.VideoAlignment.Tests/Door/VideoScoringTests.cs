using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoScoringTests
{
    private readonly DoorRig _rig = new();

    [Test]
    public void TheSchemaIsAsPromised() => EstimatorContract.SchemaIsAsPromised(Estimator(), Videos());

    [Test]
    public void ScoresAreTheRewardsOfEachVideo()
    {
        float[][] scores = EstimatorContract.Values(Estimator().Fit(Videos()).Transform(Videos()));
        Assert.That(scores.Select(score => score[0]), Is.EqualTo(EstimatorContract.Values(Videos()).Select(video => video.Average())).Within(1e-6));
    }

    [Test]
    public void FramesReachTheRewardInItsLayout()
    {
        using var probe = new LayoutReward();
        EstimatorContract.Values(_rig.Context.Transforms.ScoreVideo("Score", "Video", probe, "Prompt").Fit(Videos()).Transform(Videos()));
        float[] video = EstimatorContract.Values(Videos())[2];
        Assert.That(probe.Shape, Is.EqualTo(new long[] { 1, 3, 2, 4, 8 }));
        Assert.That(probe.Prompt, Is.EqualTo("two green rings"));
        Assert.That(probe.Second, Is.EqualTo(video[(2 * 32) + (3 * 8) + 5]), "frame 0, blue, row 3, column 5");
    }

    [Test]
    public void EachRowIsGeneratedAndScoredOnce()
    {
        IDataView videos = Videos();
        IDataView scored = Estimator().Fit(videos).Transform(videos);
        (int generations, int calls) = (_rig.Model.Generations, _rig.Reward.Calls);
        Assert.That(scored.Preview().RowView, Has.Length.EqualTo(3));
        Assert.That((_rig.Model.Generations - generations, _rig.Reward.Calls - calls), Is.EqualTo((3, 3)));
    }

    [Test]
    public void OtherThanVideosAreRefused()
    {
        IDataView good = Videos();
        EstimatorContract.BadInputFails(Estimator(), good, _rig.Prompts, "Video");
        EstimatorContract.BadInputFails(Estimator(), good, _rig.Context.Data.LoadFromEnumerable([new { Video = 1f, Prompt = "" }]), "Video");
        EstimatorContract.BadInputFails(Estimator(), good, _rig.Context.Data.LoadFromEnumerable([new { Video = new[] { 1f }, Prompt = "" }]), "Video");
        EstimatorContract.BadInputFails(Estimator("Prompt"), good, _rig.Context.Data.LoadFromEnumerable([new Wordless()]), "Prompt");
    }

    [Test]
    public void DimensionsThatAreNoVideoFailAtFit()
    {
        IDataView gray = _rig.Context.Data.LoadFromEnumerable([new Gray()]);
        Assert.That(() => Estimator().Fit(gray),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("Vector<Single, 2, 1, 4, 8>").And.Message.Contains("T, 3, H, W"));
    }

    [Test]
    public void TooFewFramesFailAtFit()
    {
        using var reward = new FakeReward(new RewardContract { MinimumFrames = 16 });
        Assert.That(
            () => _rig.Context.Transforms.ScoreVideo("Score", "Video", reward).Fit(Videos()),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("16 frames"));
    }

    [Test]
    public void ARewardThatReadsThePromptNeedsItsColumn()
    {
        using var reward = new FakeReward(new RewardContract { ReadsPrompt = true });
        Assert.That(() => _rig.Context.Transforms.ScoreVideo("Score", "Video", reward), Throws.ArgumentException.With.Message.Contains("reads the prompt"));
    }

    [Test]
    public void ItDisposesTwiceAndLeavesTheRewardToItsOwner()
    {
        EstimatorContract.DisposesTwice(Estimator(), Videos());
        Assert.That(_rig.Reward.Disposals, Is.Zero);
    }

    [Test]
    public void ItSurvivesSaving()
    {
        using VideoReward rating = MovingShapesRewards.TrueRating();
        MLContext other = new(seed: 7);
        other.RegisterVideoAlignment();
        IDataView frames = _rig.Context.Data.LoadFromEnumerable(Enumerable.Range(0, 3).Select(row => new VideoRow(row)).ToList());
        EstimatorContract.SurvivesSaving(_rig.Context, _rig.Context.Transforms.ScoreVideo("Score", "Video", rating), frames, other);
        EstimatorContract.SurvivesSaving(_rig.Context, _rig.Context.Transforms.ScoreVideo("Score", "Video", rating, "Prompt"), frames, other);
    }

    [TestCase(-0.5f, "-0.5 at [0, 0, 1, 31, 31]")]
    [TestCase(1.25f, "1.25 at [0, 0, 1, 31, 31]")]
    [TestCase(float.NaN, "NaN at [0, 0, 1, 31, 31]")]
    public void ValuesOutsideTheUnitRangeAreRefusedWhereTheyAre(float value, string expected)
    {
        IDataView frames = _rig.Context.Data.LoadFromEnumerable([Spoilt(value)]);
        Assert.That(() => Scores(Estimator(), frames), Throws.TypeOf<RewardContractException>().With.Message.Contains(expected));
    }

    /// <summary>The message has the number itself, and names the prompt where one is read.</summary>
    [Test]
    public void AScoreThatIsNotFiniteIsRefusedWithItsValue()
    {
        using VideoReward broken = VideoRewards.Custom("broken", (frames, _) => full([frames.shape[0]], float.NegativeInfinity));
        IDataView frames = _rig.Context.Data.LoadFromEnumerable([new VideoRow(1)]);
        Assert.That(
            () => Scores(_rig.Context.Transforms.ScoreVideo("Score", "Video", broken), frames),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'broken' scored a video -Infinity, though its frames are finite"));
    }

    [Test]
    public void ValuesAreClampedOnRequest()
    {
        IDataView over = _rig.Context.Data.LoadFromEnumerable([Spoilt(1.25f)]), one = _rig.Context.Data.LoadFromEnumerable([Spoilt(1f)]);
        VideoScoringEstimator clamping = _rig.Context.Transforms.ScoreVideo("Score", "Video", _rig.Reward, clampFrames: true);
        Assert.That(Scores(clamping, over), Is.EqualTo(Scores(Estimator(), one)));
        IDataView nan = _rig.Context.Data.LoadFromEnumerable([Spoilt(float.NaN)]);
        Assert.That(() => Scores(clamping, nan), Throws.TypeOf<RewardContractException>().With.Message.Contains("NaN"));

        using VideoReward rating = MovingShapesRewards.TrueRating();
        MLContext other = new(seed: 7);
        other.RegisterVideoAlignment();
        EstimatorContract.SurvivesSaving(_rig.Context, _rig.Context.Transforms.ScoreVideo("Score", "Video", rating, clampFrames: true), over, other);
    }

    [Test]
    public void ARewardOfYourOwnCannotBeSavedAndSaysSo()
    {
        VideoScoringTransformer transformer = Estimator().Fit(Videos());
        using var zip = new MemoryStream();
        Assert.That(() => _rig.Context.Model.Save(transformer, null, zip), Throws.TypeOf<NotSupportedException>().With.Message.Contains("brightness"));
    }

    private VideoScoringEstimator Estimator(string? prompt = null) => _rig.Context.Transforms.ScoreVideo("Score", "Video", _rig.Reward, prompt);

    private IDataView Videos() => _rig.Estimator().Fit(_rig.Prompts).Transform(_rig.Prompts);

    private static float[][] Scores(VideoScoringEstimator estimator, IDataView frames) => EstimatorContract.Values(estimator.Fit(frames).Transform(frames));

    /// <summary>The last red value of the last frame is another.</summary>
    private static VideoRow Spoilt(float value)
    {
        var video = new VideoRow(0);
        video.Video[(4 * 32 * 32) - 1] = value;
        return video;
    }

    private sealed class VideoRow
    {
        public VideoRow()
        {
        }

        public VideoRow(int row) => Video = [.. Enumerable.Range(0, Video.Length).Select(i => ((i * 7) + (row * 31)) % 100 / 100f)];

        [VectorType(2, 3, 32, 32)]
        public float[] Video { get; set; } = new float[2 * 3 * 32 * 32];

        public string Prompt { get; set; } = "a red circle";
    }

    private sealed class Wordless
    {
        [VectorType(2, 3, 4, 8)]
        public float[] Video { get; set; } = new float[192];

        public float Prompt { get; set; }
    }

    private sealed class Gray
    {
        [VectorType(2, 1, 4, 8)]
        public float[] Video { get; set; } = new float[64];

        public string Prompt { get; set; } = "";
    }

    private sealed class LayoutReward : VideoReward
    {
        public long[] Shape { get; private set; } = [];

        public string Prompt { get; private set; } = "";

        public float Second { get; private set; }

        public override string Name => "layout";

        public override RewardContract Contract { get; } = new() { ReadsPrompt = true };

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
        {
            (Shape, Prompt, Second) = (frames.shape, prompts[0], frames[0, 2, 0, 3, 5].item<float>());
            return zeros(1);
        }

        public override void MoveTo(Device device)
        {
        }
    }
}
