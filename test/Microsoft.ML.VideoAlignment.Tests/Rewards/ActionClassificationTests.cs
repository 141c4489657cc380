using System.Text.Json;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ActionClassificationTests
{
    private static readonly string[] s_prompts = ["jogging", "a man at the piano"];

    /// <summary>Central differences in float64: error of order step^2.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void TheClassifiersGradientIsTheSlope(bool meanPooling)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoMaeNetwork network = Network(meanPooling, ScalarType.Float64);
        Tensor pixels = Ramp.Values(3, 2, 4, 3, 8, 12).to_type(ScalarType.Float64).requires_grad_(true);
        Tensor direction = Ramp.Values(8, 2, 4, 3, 8, 12).to_type(ScalarType.Float64);
        Value(pixels).backward();
        double slope = (pixels.grad! * direction).sum().item<double>();
        const double Step = 1e-5;
        double measured = (Value(pixels.detach() + (direction * Step)) - Value(pixels.detach() - (direction * Step))).item<double>() / (2 * Step);
        Assert.That(Math.Abs(slope), Is.GreaterThan(1e-4));
        Assert.That(measured, Is.EqualTo(slope).Within(1e-6 * Math.Abs(slope)));

        Tensor Value(Tensor x)
        {
            Tensor logits = network.Run(x).Logits;
            return (logits * Ramp.Values(5, logits.shape)).sum();
        }
    }

    /// <summary>What the classifier sees, from its own last tokens: their mean under fc_norm (eps 1e-5), or the first, already normalized.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void ThePoolingIsTheConfigurations(bool meanPooling)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoMaeNetwork network = Network(meanPooling, ScalarType.Float32);
        (Tensor last, Tensor logits) = network.Run(Ramp.Values(3, 1, 4, 3, 8, 12));
        Tensor Weight(string key) => network.get_parameter(key)!;
        Tensor pooled = meanPooling
            ? nn.functional.layer_norm(last.mean([1]), [12], Weight("fc_norm.weight"), Weight("fc_norm.bias"), 1e-5)
            : last[TensorIndex.Colon, 0];
        Assert.That(nn.functional.linear(pooled, Weight("classifier.weight"), Weight("classifier.bias")).allclose(logits, rtol: 1e-4, atol: 1e-5));
        string[] keys = [.. network.state_dict().Keys];
        Assert.That(keys, meanPooling ? Does.Contain("fc_norm.weight").And.Not.Contain("layernorm.weight")
            : Does.Contain("layernorm.weight").And.Not.Contain("fc_norm.weight"));
        if (!meanPooling)
        {
            Tensor plain = (last - Weight("layernorm.bias")) / Weight("layernorm.weight");
            Assert.That(plain.mean([2]).abs().max().item<float>(), Is.LessThan(1e-4f), "the encoder's norm has been applied");
        }
    }

    [Test]
    public void WeightsTakeNoGradientAndFramesDo()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward reward = Small();
        Tensor frames = SmallRewards.Frames(2, 3, 4, 32, 40).requires_grad_(true);
        reward.Score(frames, s_prompts).sum().backward();
        Assert.That(frames.grad!.isfinite().all().item<bool>());
        Assert.That(frames.grad!.abs().amax([1, 3, 4]).gt(0).all().item<bool>(), "in every frame of both videos");
        Assert.That(reward.Weights.All(weight => !weight.requires_grad && weight.grad is null));
    }

    [Test]
    public void EachVideoIsHeldAgainstItsOwnPrompt()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward reward = Small();
        Tensor frames = SmallRewards.Frames(1, 3, 2, 24, 24).expand(2, -1, -1, -1, -1);
        float[] forth = reward.Score(frames, s_prompts).data<float>().ToArray();
        float[] back = reward.Score(frames, [s_prompts[1], s_prompts[0]]).data<float>().ToArray();
        Assert.That(forth[0], Is.Not.EqualTo(forth[1]).Within(1e-4));
        Assert.That(back.Reverse(), Is.EqualTo(forth).Within(1e-5));
        Assert.That(forth, Is.All.InRange(0f, 1f));
    }

    [Test]
    public void ALogarithmIsTheCrossEntropyTurnedRound()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward probability = Small();
        using ActionClassificationReward logarithm = Small(new ActionClassificationOptions { LogProbability = true });
        Tensor frames = SmallRewards.Frames(2, 3, 4, 24, 24);
        Assert.That(logarithm.Score(frames, s_prompts).allclose(probability.Score(frames, s_prompts).log(), rtol: 1e-4, atol: 1e-5));
        Assert.That(logarithm.Contract.ScoreRange, Is.EqualTo((float.NegativeInfinity, 0f)));
        Assert.That(probability.Contract.ScoreRange, Is.EqualTo((0f, 1f)));
    }

    [Test]
    public void OneLabelForAllNeedsNoPrompts()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward mine = Small(new ActionClassificationOptions { Label = "jogging" });
        using ActionClassificationReward prompted = Small();
        Tensor frames = SmallRewards.Frames(2, 3, 2, 24, 24);
        Assert.That(mine.Contract.ReadsPrompt, Is.False);
        Assert.That(mine.Score(frames, []).allclose(prompted.Score(frames, ["jogging", "jogging"])));
        Assert.That(() => mine.RequirePrompts(["anything"]), Throws.Nothing);
        Assert.That(() => Small(new ActionClassificationOptions { Label = "joging" }), Throws.ArgumentException.With.Message.Contains("nearest: 'jogging'"));
    }

    [Test]
    public void TheUsersTextsComeBeforeTheTableAndAfterALabel()
    {
        LabelTable labels = Labels("jogging", "playing piano", "chopping wood", "abseiling");
        var prompts =
            new ActionPrompts(labels, new Dictionary<string, string> { ["piano"] = "jogging", ["grand piano"] = "abseiling", ["playing"] = "chopping wood" });
        Assert.That(prompts.Find("a piano"), Is.EqualTo(0), "not the table's label");
        Assert.That(prompts.Find("a grand piano"), Is.EqualTo(3), "the longest of the user's texts");
        Assert.That(prompts.Find("playing piano"), Is.EqualTo(1), "a label is itself");
        Assert.That(prompts.Find("a wood"), Is.EqualTo(2), "the table still serves");
        Assert.That(prompts.Find("a violin"), Is.Null, "the table's label is none of the model's");
        Assert.That(() => new ActionPrompts(labels, new Dictionary<string, string> { ["walk"] = "walking" }),
            Throws.ArgumentException.With.Message.Contains("'walking'"));
        Assert.That(() => new ActionPrompts(labels, new Dictionary<string, string> { [""] = "jogging" }), Throws.ArgumentException);
    }

    [Test]
    public void APromptWithoutAnActionNamesLabelsLikeIt()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward reward = Small();
        Tensor frames = SmallRewards.Frames(1, 3, 2, 24, 24);
        Assert.That(() => reward.Score(frames, ["a cat abseilng at night"]), Throws.TypeOf<RewardContractException>()
            .With.Message.Contains("'a cat abseilng at night'").And.Message.Contains("nearest: 'abseiling'").And.Message.Contains("Prompts"));
        Assert.That(() => reward.Score(frames, ["a violin"]),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'playing violin', which the model does not know"));
        Assert.That(() => ((reward * 2f) + MovingShapesRewards.TrueRating()).RequirePrompts(["jogging", "a red circle"]),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("'a red circle'"), "a sum asks its parts");
    }

    [TestCase(1)]
    [TestCase(5)]
    public void FramesThatFillNoTubeletAreRefused(int count)
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward reward = Small();
        Assert.That(() => reward.Score(SmallRewards.Frames(1, 3, count, 24, 24), ["jogging"]),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("at least 2 frames, a multiple of 2").And.Message.Contains($"got {count}"));
    }

    [Test]
    public void AMissingPromptIsRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward reward = Small();
        Assert.That(() => reward.Score(SmallRewards.Frames(2, 3, 2, 24, 24), ["jogging"]),
            Throws.TypeOf<RewardContractException>().With.Message.Contains("one prompt per video"));
    }

    [Test]
    public void AFolderOfAnotherNetworkSaysWhatItLooksLike()
    {
        Assert.That(() => VideoRewards.ActionClassification(SmallRewards.DetectorFolder),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("YolosForObjectDetection (model_type 'yolos'").And.Message.Contains(
                "Expected VideoMAEForVideoClassification"));
    }

    [Test]
    public void APretrainedEncoderWithoutAClassifierIsNotTaken()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", """{"model_type": "videomae", "architectures": ["VideoMAEForPreTraining"]}"""u8);
        Assert.That(() => VideoRewards.ActionClassification(folder.ToString()),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("VideoMAEForPreTraining"));
    }

    [TestCase(WeightPrecision.Float16, 2e-3f)]
    [TestCase(WeightPrecision.BFloat16, 2e-2f)]
    public void SmallerWeightsScoreAlike(WeightPrecision precision, float tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        using ActionClassificationReward full = Small();
        using VideoReward small = VideoRewards.ActionClassification(SmallRewards.ClassifierFolder, new ActionClassificationOptions { Precision = precision });
        Tensor frames = SmallRewards.Frames(1, 3, 2, 24, 24);
        Assert.That(small.Score(frames, ["jogging"]).item<float>(), Is.EqualTo(full.Score(frames, ["jogging"]).item<float>())
            .Within(tolerance).And.GreaterThan(0));
    }

    [Test]
    public void ItComesBackFromItsText()
    {
        using DisposeScope scope = NewDisposeScope();
        var options = new ActionClassificationOptions { Prompts = new Dictionary<string, string> { ["keys: \"8\""] = "playing piano" }, LogProbability = true };
        using ActionClassificationReward reward = Small(options);
        using ActionClassificationReward fixedLabel = Small(new ActionClassificationOptions { Label = "jogging" });
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(reward.Reference.ToJson()));
        using VideoReward fixedAgain = CompanionPackages.MakeReward(RewardReference.FromJson(fixedLabel.Reference.ToJson()));
        Tensor frames = SmallRewards.Frames(1, 3, 2, 24, 24);
        Assert.That(again.Contract, Is.EqualTo(reward.Contract));
        Assert.That(again.Score(frames, ["keys: \"8\""]).Equals(reward.Score(frames, ["keys: \"8\""])));
        Assert.That(fixedAgain.Name, Is.EqualTo(fixedLabel.Name));
        Assert.That(fixedAgain.Score(frames, []).Equals(fixedLabel.Score(frames, [])));
    }

    private static ActionClassificationReward Small(ActionClassificationOptions? options = null) =>
        ActionClassificationReward.FromFolder(SmallRewards.ClassifierFolder, options ?? new ActionClassificationOptions(), Placement.Cpu);

    private static LabelTable Labels(params string[] names) =>
        LabelTable.FromJson(
            JsonSerializer.SerializeToElement(new { label2id = names.Select((name, id) => (name, id)).ToDictionary(pair => pair.name, pair => pair.id) }));

    private static VideoMaeNetwork Network(bool meanPooling, ScalarType dtype) => Ramp.Fill(new VideoMaeNetwork(
        new VideoMaeConfig
        {
            HiddenSize = 12,
            IntermediateSize = 16,
            NumHiddenLayers = 2,
            NumAttentionHeads = 3,
            ImageSize = (8, 12),
            PatchSize = 4,
            UseMeanPooling = meanPooling,
            LayerNormEps = 0.01,
            Labels = LabelTable.FromJson(JsonSerializer.SerializeToElement(new { num_labels = 5 })),
        },
        new Placement(CPU, dtype)));
}
