using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>
/// A class of a user's is trained with, saved, loaded, estimated, proved and restarted as the library's own rewards are, and nothing in the library knows it.
/// </summary>
public class OwnRewardTests
{
    private static readonly ToySettings s_settings = new([2f, -1f, -0.5f]);

    private static readonly VideoAlignmentOptions s_options = new() { Steps = 2, LoraRank = 2, InferenceSteps = 2, RewardFrames = RewardFrames.All, Seed = 1 };

    [OneTimeSetUp]
    public void Register() => VideoRewards.Register(ToyReward.Kind, ToyReward.Load);

    [Test]
    public void ItTrains()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using var reward = new ToyReward(s_settings);
        var rig = new DoorRig();
        VideoAlignmentEstimator alignment = rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, s_options);
        using VideoAlignmentTransformer aligned = alignment.Fit(rig.Table("a red circle"));
        Assert.That(reward.Calls, Is.EqualTo(2), "the trial call does not count");
    }

    [Test]
    public void ItsZipScoresAlike()
    {
        var rig = new DoorRig();
        IDataView videos = Videos(rig);
        using VideoReward reward = (new ToyReward(s_settings) * 2f) + MovingShapesRewards.TrueRating();
        byte[] zip = Save(rig, reward, videos);
        MLContext other = new();
        other.RegisterVideoAlignment();
        using IDisposable loaded = SavedZip.Load(other, zip);
        using VideoScoringTransformer scoring = rig.Context.Transforms.ScoreVideo("Score", "Video", reward).Fit(videos);
        Assert.That(Scores(((ITransformer)loaded).Transform(videos)), Is.EqualTo(Scores(scoring.Transform(videos))));
    }

    [Test]
    public void AKindThatIsNotRegisteredIsNotWrittenAndNotRead()
    {
        var rig = new DoorRig();
        IDataView videos = Videos(rig);
        using var stranger = new Named("stranger", new SavedReward("Tests.Stranger"));
        const string Why = "'Tests.Stranger', which is not registered", Remedy = "VideoRewards.Register(\"Tests.Stranger\"";
        Assert.That(() => Save(rig, stranger, videos), Throws.TypeOf<NotSupportedException>().With.Message.Contains(Why).And.Message.Contains(Remedy));
        using var toy = new ToyReward(s_settings);
        byte[] zip = SavedZip.Replace(Save(rig, toy, videos), "reward.json", ToyReward.Kind, "Tests.Stranger");
        MLContext other = new();
        other.RegisterVideoAlignment();
        Assert.That(SavedZip.Refusal(other, zip), Does.Contain(Why).And.Contain(Remedy));
    }

    [Test]
    public void AKindOfAnotherTypeIsNotWritten()
    {
        var rig = new DoorRig();
        using var toy = new Named("no toy", new SavedReward(ToyReward.Kind));
        Assert.That(() => Save(rig, toy, Videos(rig)), Throws.TypeOf<NotSupportedException>().With.Message.Contains("makes ToyReward"));
        using VideoReward rating = new Named("no rating", new SavedReward("MovingShapesTrueRating")) * 2f;
        Assert.That(() => Save(rig, rating, Videos(rig)), Throws.TypeOf<NotSupportedException>().With.Message.Contains("makes TrueRatingReward"));
    }

    [Test]
    public void SettingsAreCheckedWhenRead()
    {
        var reference = new RewardReference { Kind = ToyReward.Kind };
        Assert.That(() => CompanionPackages.MakeReward(reference), Throws.TypeOf<InvalidDataException>().With.Message.Contains("has no settings"));
        using var toy = new ToyReward(s_settings);
        string text = toy.Reference.ToJson().Replace("-0.5", "true", StringComparison.Ordinal);
        Assert.That(
            () => CompanionPackages.MakeReward(RewardReference.FromJson(text)),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("settings of the saved reward Tests.Toy"));
    }

    [Test]
    public void AFunctionThatMakesAnotherKindIsRefused()
    {
        VideoRewards.Register("Tests.Wrong", static _ => new Named("wrong", new SavedReward(ToyReward.Kind)));
        Assert.That(
            () => CompanionPackages.MakeReward(new RewardReference { Kind = "Tests.Wrong" }),
                Throws.InvalidOperationException.With.Message.Contains($"'{ToyReward.Kind}'"));
        VideoRewards.Register<VideoReward>("Tests.Null", static _ => null!);
        Assert.That(
            () => CompanionPackages.MakeReward(new RewardReference { Kind = "Tests.Null" }),
                Throws.InvalidOperationException.With.Message.Contains("returned null"));
    }

    [Test]
    public void AKindIsRegisteredOnce()
    {
        Assert.That(() => VideoRewards.Register(ToyReward.Kind, ToyReward.Load), Throws.Nothing, "the same again");
        Assert.That(
            () => VideoRewards.Register(ToyReward.Kind, static _ => new ToyReward(s_settings)), Throws.ArgumentException.With.Message.Contains("is taken"));
        Assert.That(() => VideoRewards.Register("Aesthetic", ToyReward.Load), Throws.ArgumentException.With.Message.Contains("a reward of this library"));
    }

    [TestCase("Mix")]
    [TestCase("")]
    [TestCase("1st")]
    [TestCase("two words")]
    [TestCase("line\n")]
    [TestCase("../up")]
    public void OtherNamesAreRefused(string kind) =>
        Assert.That(() => VideoRewards.Register(kind, ToyReward.Load), Throws.ArgumentException.With.Message.Contains("cannot name a kind"));

    [Test]
    public void ItIsEstimated()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using var reward = new ToyReward(s_settings);
        MemoryEstimate none = model.EstimateMemory(s_options), with = model.EstimateMemory(s_options, reward);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(with.Reward, Is.EqualTo(4 * sizeof(float)), "three weights and a bias");
            Assert.That(with.Describe(), Does.Not.Contain("on top"));
            Assert.That(with.Scoring, Is.GreaterThan(none.Scoring), "what its operations keep, though they are torch's own");
        }
    }

    [Test]
    public void ATwinThatCannotRunLeavesTheWeightsCounted()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using var reward = new Named("broken", null)
        {
            Twin = static () => new Named("broken", null) { Scores = static _ => throw new NotSupportedException("no such kernel") },
        };
        string described = model.EstimateMemory(s_options, reward).Describe();
        Assert.That(described, Does.Contain("'broken' (its twin of shapes failed: no such kernel) only the weights are counted"));
    }

    [Test]
    public void ATwinMustBeOne()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using var self = new Named("self", null);
        self.Twin = () => self;
        Assert.That(() => model.EstimateMemory(s_options, self), Throws.TypeOf<RewardContractException>().With.Message.Contains("the reward itself"));
        Assert.That(() => self.Score(SmallRewards.Frames(1, 3, 1, 4, 4), []).Dispose(), Throws.Nothing, "and was not disposed");
        using var real = new Named("real", null) { Twin = static () => new ToyReward(s_settings) };
        Assert.That(() => model.EstimateMemory(s_options, real), Throws.TypeOf<RewardContractException>().With.Message.Contains("takes memory"));
        using var other = new Named("other", null) { Twin = static () => new ToyReward(s_settings, META) };
        Assert.That(() => model.EstimateMemory(s_options, other), Throws.TypeOf<RewardContractException>().With.Message.Contains("other frames"));
    }

    [Test]
    public void ItsGradientIsProved()
    {
        using VideoDiffusionModel model = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
        using var reward = new ToyReward(s_settings);
        var brief = new GradientCheckOptions { Directions = 1, Parts = 0, Invariants = false, AlongGradient = false };
        GradientCheckReport report = GradientCheck.Run(model, reward, s_options, brief);
        Assert.That(report.Passed, report.ToString());
        Assert.That(report.GradientNorm, Is.Positive);
        Assert.That(reward.IsDouble, Is.False, "its network is as it was");
    }

    [Test]
    public void AResumedRunRemembersItsState()
    {
        using var folder = new TemporaryFolder();
        var run = RunCase.Named("last-step plain");
        using ToyReward whole = new(s_settings), first = new(s_settings), second = new(s_settings);
        run.Fit(null, whole, prompts: ["a red circle"]);
        run.Fit(folder.ToString(), first, options => options with { Steps = 3 }, ["a red circle"]);
        run.Fit(folder.ToString(), second, prompts: ["a red circle"]);
        Assert.That((whole.Calls, first.Calls, second.Calls), Is.EqualTo((RunCase.Steps, 3, RunCase.Steps)));
    }

    [Test]
    public void AStateThatIsNotRestoredIsAnError()
    {
        using var folder = new TemporaryFolder();
        var run = RunCase.Named("last-step plain");
        using Named first = new("forgetful", null) { State = "1" }, second = new("forgetful", null) { State = "2" };
        run.Fit(folder.ToString(), first, options => options with { Steps = 3 });
        Assert.That(() => run.Fit(folder.ToString(), second), Throws.TypeOf<TrainingStepException>().With.Message.Contains("do not agree"));
    }

    [Test]
    public void APromptThatItCannotScoreEndsARunBeforeItBegins()
    {
        using VideoDiffusionModel model = TinyModel.Load();
        using VideoReward reward = new ToyReward(s_settings) * 2f;
        var rig = new DoorRig();
        Assert.That(
            () => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, s_options).Fit(rig.Table("a blue square")),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'a blue square'"));
    }

    private static IDataView Videos(DoorRig rig) => rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model).Fit(rig.Prompts).Transform(rig.Prompts);

    private static byte[] Save(DoorRig rig, VideoReward reward, IDataView videos)
    {
        using VideoScoringTransformer scoring = rig.Context.Transforms.ScoreVideo("Score", "Video", reward).Fit(videos);
        using var stream = new MemoryStream();
        rig.Context.Model.Save(scoring, videos.Schema, stream);
        return stream.ToArray();
    }

    private static float[] Scores(IDataView view) => [.. view.GetColumn<float>("Score")];

    /// <summary>The mean of the frames, and whatever else a test needs.</summary>
    private sealed class Named(string name, SavedReward? saved) : VideoReward
    {
        public Func<VideoReward>? Twin { get; set; }

        public Func<Tensor, Tensor> Scores { get; init; } = static frames => frames.mean([1, 2, 3, 4]);

        public string? State { get; init; }

        public override string Name => name;

        public override RewardContract Contract { get; } = new();

        protected internal override SavedReward? Save() => saved;

        protected internal override VideoReward? ToMeta() => Twin?.Invoke();

        protected internal override string? SaveTraining() => State;

        protected internal override void LoadTraining(string state)
        {
        }

        protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts) => Scores(frames);
    }
}
