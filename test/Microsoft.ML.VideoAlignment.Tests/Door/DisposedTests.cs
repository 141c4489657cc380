using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What has been disposed says so, by its name, wherever it is used.</summary>
public class DisposedTests
{
    private static IEnumerable<TestCaseData> UsesOfAModel() => new (string Name, Action<VideoDiffusionModel, DoorRig> Use)[]
    {
        ("EstimateMemory", (model, _) => model.EstimateMemory(new VideoAlignmentOptions())),
        ("MemoryPlan", (model, _) => MemoryPlan.Create(model, new VideoAlignmentOptions(), 1 << 30)),
        ("GradientCheck", (model, _) => GradientCheck.Run(model, TinyModel.Redness(), new VideoAlignmentOptions())),
        ("AlignVideoDiffusion", (model, rig) => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, TinyModel.Redness())),
        ("GenerateVideo", (model, rig) => rig.Context.Transforms.GenerateVideo("Video", "Prompt", model)),
        ("VideoLora.Convert", (model, rig) => new VideoLora("none.safetensors").Convert(model, "out.safetensors", LoraFormat.Diffusers)),
    }.Select(use => new TestCaseData(use.Use).SetName($"{{m}}({use.Name})"));

    [TestCaseSource(nameof(UsesOfAModel))]
    public void AModelSaysSo(object use)
    {
        VideoDiffusionModel model = TinyModel.Load();
        model.Dispose();
        Expect(() => ((Action<VideoDiffusionModel, DoorRig>)use)(model, new DoorRig()), "ModelScope model", "load it again");
    }

    [Test]
    public void AModelThatIsGoneWhenItsEstimatorFitsSaysSo()
    {
        var rig = new DoorRig();
        VideoAlignmentEstimator aligning = rig.Estimator();
        VideoGenerationEstimator generating = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model);
        rig.Model.Dispose();
        Expect(() => aligning.Fit(rig.Prompts), "Tiny model 'tiny'");
        Expect(() => generating.Fit(rig.Prompts), "Tiny model 'tiny'");
    }

    [Test]
    public void AModelThatIsGoneWhenItsTransformerReadsSaysSo()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        IDataView view = fitted.Transform(rig.Prompts);
        rig.Model.Dispose();
        Expect(() => EstimatorContract.Values(view), "Tiny model 'tiny'");
        Expect(() => fitted.Transform(rig.Prompts), "Tiny model 'tiny'");
        Expect(() => fitted.SaveAdapters("adapters.safetensors"), "Tiny model 'tiny'");
        Expect(() => fitted.WithStrength("More", 2), "Tiny model 'tiny'");
        Expect(() => fitted.WithoutAlignment("Base"), "Tiny model 'tiny'");
        Assert.That(fitted.Dispose, Throws.Nothing);
    }

    [Test]
    public void ATransformerSaysSo()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        IDataView videos = fitted.Transform(rig.Prompts);
        VideoScoringTransformer scoring = rig.Context.Transforms.ScoreVideo("Score", "Video", rig.Reward).Fit(videos);
        IDataView scored = scoring.Transform(videos);
        using PredictionEngine<PromptRow, VideoRow> engine = rig.Context.Model.CreatePredictionEngine<PromptRow, VideoRow>(fitted);
        scoring.Dispose();
        Expect(() => _ = scored.GetColumn<float>("Score").Sum(), "column 'Video'", "load it again");
        Expect(() => scoring.Transform(videos), "column 'Video'");
        Expect(() => scoring.GetOutputSchema(videos.Schema), "column 'Video'");
        Expect(() => scoring.GetRowToRowMapper(videos.Schema), "column 'Video'");
        fitted.Dispose();
        Expect(() => EstimatorContract.Values(videos), "column 'Video'", "load it again");
        Expect(() => engine.Predict(new PromptRow()), "column 'Video'");
        Expect(() => fitted.Transform(rig.Prompts), "column 'Video'");
        Expect(() => fitted.GetOutputSchema(rig.Prompts.Schema), "column 'Video'");
        Expect(() => fitted.GetRowToRowMapper(rig.Prompts.Schema), "column 'Video'");
        Expect(() => fitted.SaveAdapters("adapters.safetensors"), "column 'Video'");
        Expect(() => rig.Context.Model.Save(fitted, rig.Prompts.Schema, Stream.Null), "column 'Video'");
    }

    /// <summary>Every public method of a reward, for rewards of each kind.</summary>
    [TestCase("aesthetic")]
    [TestCase("text similarity")]
    [TestCase("PickScore")]
    [TestCase("temporal consistency")]
    [TestCase("object removal")]
    [TestCase("action")]
    [TestCase("sum")]
    [TestCase("custom")]
    public void ARewardSaysSo(string kind)
    {
        VideoReward reward = SmallRewards.Make(kind);
        string name = reward.Name;
        reward.Dispose();
        using Tensor frames = SmallRewards.Frames(1, 3, 16, 8, 8);
        string part = kind == "sum" ? "has been disposed" : name;
        Expect(() => reward.Score(frames, ["no"]), part);
        Expect(() => reward.Score(frames, ["no"], out _), part);
        Expect(() => RewardContractCheck.Run(reward, CPU), part);
        Expect(() => _ = reward * 2f, part);
        Expect(() => _ = reward + TinyModel.Redness(), part);
        Expect(() => VideoRewards.Mix([(reward, 1f)], normalize: true), part);
        if (kind != "custom")
        {
            Expect(() => reward.MoveTo(CPU), part);
        }

        var rig = new DoorRig();
        Expect(() => rig.Context.Transforms.AlignVideoDiffusion("Video", "Prompt", rig.Model, reward), part);
        Expect(() => rig.Context.Transforms.ScoreVideo("Score", "Video", reward, "Prompt"), part);
        Assert.That(reward.Dispose, Throws.Nothing, "twice");
    }

    [Test]
    public void APartOfASumSaysSo()
    {
        VideoReward part = TinyModel.Redness(), other = VideoRewards.Custom("other", (frames, _) => frames.mean([1, 2, 3, 4]));
        VideoReward sum = part + (other * 2f), normalized = VideoRewards.Mix([(sum, 1f)], normalize: true);
        using Tensor frames = SmallRewards.Frames(1, 3, 2, 4, 4);
        part.Dispose();
        Expect(() => sum.Score(frames, [""]), "'redness'", "sums, which dispose their parts");
        Expect(() => normalized.Score(frames, [""]), "'redness'");
        Expect(() => sum.MoveTo(CPU), "'redness'");
        Expect(() => sum.RestrictToPrompts([]), "'redness'");
        var rig = new DoorRig();
        Expect(() => rig.Context.Transforms.ScoreVideo("Score", "Video", sum), "'redness'");
    }

    [Test]
    public void ARewardThatIsGoneBetweenTheStepsOfAPipelineSaysSo()
    {
        var rig = new DoorRig();
        VideoAlignmentEstimator aligning = rig.Estimator();
        IDataView videos = rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model).Fit(rig.Prompts).Transform(rig.Prompts);
        VideoScoringEstimator scoring = rig.Context.Transforms.ScoreVideo("Score", "Video", rig.Reward);
        IDataView scored = scoring.Fit(videos).Transform(videos);
        rig.Reward.Dispose();
        Expect(() => aligning.Fit(rig.Prompts), "'brightness'");
        Expect(() => scoring.Fit(videos), "'brightness'");
        Expect(() => _ = scored.GetColumn<float>("Score").Sum(), "'brightness'");
    }

    private static void Expect(Action use, params string[] said)
    {
        Exception? error = Assert.Catch(() => use());
        while (error is not (null or ObjectDisposedException))
        {
            error = error.InnerException;
        }

        Assert.That(error, Is.InstanceOf<ObjectDisposedException>());
        foreach (string part in said)
        {
            Assert.That(error!.Message, Does.Contain(part));
        }
    }
}
