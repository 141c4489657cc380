using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A video that is not finite leaves by no door, and the error says where it came to be so.</summary>
public class FiniteVideoTests
{
    /// <summary>What is wrong with the model, and what the message says of it. Three denoising steps: timesteps 666, 333 and 0.</summary>
    private static IEnumerable<TestCaseData> Faults() => new (string Name, Action<TinyVideoModel> Break, string[] Said)[]
    {
        ("the prediction is NaN at the second step", model => model.PredictionFactor = t =>
            t == 333 ? double.NaN : 1, ["prediction", "step 2 of 3", "timestep 333"]),
        ("the prediction is infinite at the last step", model => model.PredictionFactor = t =>
            t == 0 ? double.PositiveInfinity : 1, ["prediction", "step 3 of 3"]),
        ("the decoder gives NaN", model => model.DecoderFactor = double.NaN, ["decoder", "frames 0"]),
        ("the decoder gives infinity, which would be cut to white", model => model.DecoderFactor = double.PositiveInfinity, ["decoder", "Precision"]),
    }.Select(fault => new TestCaseData(fault.Break, fault.Said).SetName($"{{m}}({fault.Name})"));

    [TestCaseSource(nameof(Faults))]
    public void NoneLeavesTransform(object spoil, string[] said)
    {
        var rig = new DoorRig();
        using VideoAlignmentTransformer fitted = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model).Fit(rig.Prompts);
        ((Action<TinyVideoModel>)spoil)(rig.Model);
        Expect(() => EstimatorContract.Values(fitted.Transform(rig.Prompts)), [.. said, "row 0", "'a red circle'"]);
    }

    [TestCaseSource(nameof(Faults))]
    public void NoneLeavesAPredictionEngine(object spoil, string[] said)
    {
        var rig = new DoorRig();
        using VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        using PredictionEngine<PromptRow, VideoRow> engine = rig.Context.Model.CreatePredictionEngine<PromptRow, VideoRow>(fitted);
        ((Action<TinyVideoModel>)spoil)(rig.Model);
        Expect(() => engine.Predict(new PromptRow { Prompt = "a horse" }), [.. said, "'a horse'"]);
    }

    private static IEnumerable<TestCaseData> FaultsByAlgorithm() =>
        from decoder in new[] { false, true }
        from algorithm in new[] { AlignmentAlgorithm.RewardGradient(), AlignmentAlgorithm.Ddpo(), AlignmentAlgorithm.DiffusionDpo() }
        select new TestCaseData(decoder, algorithm).SetName($"{{m}}({(decoder ? "decoder" : "denoiser")}, {algorithm.GetType().Name})");

    /// <summary>Nothing is learned from it either, and the weights of the step before are kept.</summary>
    [TestCaseSource(nameof(FaultsByAlgorithm))]
    public void NoneIsTrainedOn(bool decoder, AlignmentAlgorithm algorithm)
    {
        var rig = new DoorRig();
        rig.Model.DecoderFactor = decoder ? double.NaN : 1;
        rig.Model.PredictionFactor = _ => decoder ? 1 : double.NaN;
        TrainingStepException? error = Assert.Throws<TrainingStepException>(() =>
            rig.Estimator(DoorRig.ThreeSteps with { Algorithm = algorithm }).Fit(rig.Prompts));
        Assert.That(error!.InnerException, Is.TypeOf<NotFiniteNumberException>());
        Assert.That(error.Message, Does.Contain("Training step 1").And.Contains("row 0").And.Contains(decoder ? "decoder" : "denoising step 1 of 3"));
    }

    [Test]
    public void NoneIsMeasured()
    {
        var rig = new DoorRig();
        int calls = 0;
        using VideoReward reward = VideoRewards.Custom("breaks", (frames, _) =>
        {
            // The first call is the trial, the second the first step's; its own video has been made by now, and the next one is the measurement's.
            rig.Model.DecoderFactor = ++calls == 2 ? double.NaN : 1;
            return frames.mean([1, 2, 3, 4]);
        });
        VideoAlignmentOptions options = DoorRig.ThreeSteps with { Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen"], Every = 1 } };
        Exception? error = Assert.Catch(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options).Fit(rig.Prompts));
        Assert.That(Texts(error), Does.Contain("decoder").And.Contains("'unseen'"));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void AScoreThatIsNotFiniteIsMeasuredByNoOne(float score)
    {
        var rig = new DoorRig();
        using VideoReward reward = VideoRewards.Custom("breaks", (frames, _) =>
            frames.requires_grad ? frames.mean([1, 2, 3, 4]) : full(frames.shape[0], score));
        VideoAlignmentOptions options = DoorRig.ThreeSteps with { Validation = DoorRig.ThreeSteps.Validation with { Prompts = ["unseen"], Every = 1 } };
        Exception? error = Assert.Catch(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options).Fit(rig.Prompts));
        Assert.That(Texts(error), Does.Contain("'breaks'").And.Contains("'unseen'").And.Contains("divisions"));
    }

    /// <summary>The second of two videos scores NaN: comparing it with the other decides nothing.</summary>
    [TestCase("DDPO")]
    [TestCase("Diffusion-DPO")]
    public void AScoreThatIsNotFiniteIsNotComparedWithOthers(string algorithm)
    {
        var rig = new DoorRig();
        int calls = 0;
        using VideoReward reward = VideoRewards.Custom("breaks", (frames, _) =>
            frames.mean([1, 2, 3, 4]) * (calls++ == 1 ? double.NaN : 1), new RewardContract { IsDifferentiable = false });
        VideoAlignmentOptions options = DoorRig.ThreeSteps with
        {
            Algorithm = algorithm == "DDPO" ? AlignmentAlgorithm.Ddpo()
            : AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { CandidatesPerPrompt = 3 })
        };
        Exception? error = Assert.Catch(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward, options).Fit(rig.Prompts));
        Assert.That(Texts(error), Does.Contain("'breaks'"));
    }

    [TestCase(float.NaN)]
    [TestCase(float.NegativeInfinity)]
    public void NoScoreColumnHoldsIt(float score)
    {
        var rig = new DoorRig();
        using VideoReward reward = VideoRewards.Custom("breaks", (frames, _) => full(frames.shape[0], score));
        IDataView videos = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model).Fit(rig.Prompts).Transform(rig.Prompts);
        IDataView scored = rig.Context.Transforms.ScoreVideo("Score", "Video", reward, "Prompt").Fit(videos).Transform(videos);
        Assert.That(() => scored.GetColumn<float>("Score").ToArray(),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'breaks'").And.Message.Contains("a red circle"));
    }

    private static void Expect(Action read, string[] said)
    {
        Exception? error = Assert.Catch(() => read());
        Assert.That(Chain(error), Has.Some.TypeOf<NotFiniteNumberException>());
        foreach (string part in said)
        {
            Assert.That(Texts(error), Does.Contain(part));
        }
    }

    private static string Texts(Exception? error) => string.Join('\n', Chain(error).Select(one => one.Message));

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            yield return error;
        }
    }
}
