using System.Text.Json;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class ObjectRemovalTests
{
    private static readonly ObjectRemovalOptions s_nothingCounts = SmallRewards.SmallDetection with { Threshold = 0.999 };

    /// <summary>Central differences in float64: error of order step^2. A size that resizes both tables, and a remainder of half a patch.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void TheDetectorsGradientIsTheSlope(bool midPositions)
    {
        using DisposeScope scope = NewDisposeScope();
        using YolosNetwork network = Ramp.Fill(new YolosNetwork(SmallConfig(midPositions), new Placement(CPU, ScalarType.Float64)));
        Tensor pixels = Ramp.Values(3, 2, 3, 14, 22).to_type(ScalarType.Float64).requires_grad_(true);
        Tensor direction = Ramp.Values(8, 2, 3, 14, 22).to_type(ScalarType.Float64);
        Value(pixels).backward();
        double slope = (pixels.grad! * direction).sum().item<double>();
        const double Step = 1e-5;
        double measured = (Value(pixels.detach() + (direction * Step)) - Value(pixels.detach() - (direction * Step))).item<double>() / (2 * Step);
        Assert.That(Math.Abs(slope), Is.GreaterThan(1e-4));
        Assert.That(measured, Is.EqualTo(slope).Within(1e-6 * Math.Abs(slope)));

        Tensor Value(Tensor x)
        {
            YolosOutput output = network.Run(x);
            return (output.Logits * Ramp.Values(5, output.Logits.shape)).sum() + (output.Boxes * Ramp.Values(6, output.Boxes.shape)).sum();
        }
    }

    [Test]
    public void TheGradientIsTheSlope()
    {
        using DisposeScope scope = NewDisposeScope();
        using ObjectRemovalReward reward = SmallRewards.Removal(ScalarType.Float64);
        Tensor frames = SmallRewards.Frames(1, 3, 2, 44, 30).to_type(ScalarType.Float64).requires_grad_(true);
        Tensor direction = Ramp.Values(2, 1, 3, 2, 44, 30).to_type(ScalarType.Float64);
        reward.Score(frames, []).sum().backward();
        double slope = (frames.grad! * direction).sum().item<double>();
        const double Step = 1e-5;
        double measured =
            (reward.Score(frames.detach() + (direction * Step), []) - reward.Score(frames.detach() - (direction * Step), [])).item<double>() / (2 * Step);
        Assert.That(Math.Abs(slope), Is.GreaterThan(1e-7));
        Assert.That(measured, Is.EqualTo(slope).Within(1e-5 * Math.Abs(slope)));
    }

    [Test]
    public void WeightsTakeNoGradientAndFramesDo()
    {
        using DisposeScope scope = NewDisposeScope();
        using ObjectRemovalReward reward = SmallRewards.Removal(ScalarType.Float32);
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 40).requires_grad_(true);
        Tensor score = reward.Score(frames, []);
        score.sum().backward();
        Assert.That(score.lt(1).all().item<bool>(), "something is detected");
        Assert.That(frames.grad!.isfinite().all().item<bool>());
        Assert.That(frames.grad!.abs().amax([1, 2, 3, 4]).gt(0).all().item<bool>(), "in both videos");
        Assert.That(reward.Weights.All(weight => !weight.requires_grad && weight.grad is null));
    }

    [Test]
    public void NothingFoundIsAScoreOfOneWithAGradientOfZero()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dog", s_nothingCounts);
        Tensor frames = SmallRewards.Frames(2, 3, 1, 32, 40).requires_grad_(true);
        Tensor score = reward.Score(frames, []);
        Assert.That(score.data<float>().ToArray(), Is.EqualTo(new[] { 1f, 1f }));
        Assert.That(score.requires_grad);
        score.sum().backward();
        Assert.That(frames.grad!.eq(0).all().item<bool>(), "zero, and no NaN");
        Assert.That(RewardContractCheck.Run(reward, CPU).GradientNorm, Is.Zero, "its contract says that this may be");
    }

    [Test]
    public void ALabelThatIsNotThereNamesThoseLikeIt()
    {
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dogs"),
            Throws.ArgumentException.With.Message.Contains("'dogs'").And.Message.Contains("nearest: 'dog'"));
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "Person"),
            Throws.ArgumentException.With.Message.Contains("nearest: 'person'"));
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, " "), Throws.ArgumentException);
    }

    [Test]
    public void AFolderOfAnotherNetworkSaysWhatItLooksLike()
    {
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.ClassifierFolder, "dog"),
            Throws.TypeOf<WeightFileException>().With.Message.Contains("VideoMAEForVideoClassification").And.Message.Contains(
                "'videomae'").And.Message.Contains("Expected YolosForObjectDetection"));
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.ClipFolder, "dog"), Throws.TypeOf<WeightFileException>().With.Message.Contains("'clip'"));
        Assert.That(() => VideoRewards.ObjectRemoval("nowhere", "dog"), Throws.TypeOf<WeightFileException>().With.Message.Contains("nowhere"));
    }

    [Test]
    public void OptionsOutOfRangeAreAllNamed()
    {
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dog", new ObjectRemovalOptions { Threshold = 1, Height = 0 }),
            Throws.ArgumentException.With.Message.Contains("Threshold").And.Message.Contains("Height"));
        Assert.That(() => VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dog", new ObjectRemovalOptions { Height = 7 }),
            Throws.ArgumentException.With.Message.Contains("8 pixels"));
    }

    [Test]
    public void FramesThinnerThanAPatchAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        using ObjectRemovalReward reward = SmallRewards.Removal(ScalarType.Float32);
        Assert.That(() => reward.Score(SmallRewards.Frames(1, 3, 1, 64, 4), []), Throws.TypeOf<RewardContractException>().With.Message.Contains("patch"));
    }

    [Test]
    public void TheDefaultsAreThoseOfTheReleasedCode()
    {
        var options = new ObjectRemovalOptions();
        Assert.That((options.Threshold, options.Height), Is.EqualTo((0.2, 512)));
        using VideoReward reward = VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, "dog");
        Assert.That(reward.Contract.Describe(), Does.Contain("height 512, width in proportion, bilinear without antialias").And.Contain("may be zero"));
    }

    /// <summary>Weights of 8 or 11 bits move the probabilities in the third digit; a cast that lost the weights would move them wholly.</summary>
    [TestCase(WeightPrecision.Float16, 2e-3f)]
    [TestCase(WeightPrecision.BFloat16, 2e-2f)]
    public void SmallerWeightsScoreAlike(WeightPrecision precision, float tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward full = VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, SmallRewards.DetectedLabel, SmallRewards.SmallDetection);
        using VideoReward small =
            VideoRewards.ObjectRemoval(SmallRewards.DetectorFolder, SmallRewards.DetectedLabel, SmallRewards.SmallDetection with { Precision = precision });
        Tensor frames = SmallRewards.Frames(1, 3, 1, 32, 40);
        Assert.That(small.Score(frames, []).item<float>(), Is.EqualTo(full.Score(frames, []).item<float>()).Within(tolerance).And.LessThan(1));
    }

    [Test]
    public void ItComesBackFromItsText()
    {
        using DisposeScope scope = NewDisposeScope();
        using ObjectRemovalReward reward = SmallRewards.Removal(ScalarType.Float32);
        using VideoReward again = CompanionPackages.MakeReward(RewardReference.FromJson(reward.Reference.ToJson()));
        Tensor frames = SmallRewards.Frames(2, 3, 2, 32, 40);
        Assert.That(again.Name, Is.EqualTo(reward.Name));
        Assert.That(again.Contract, Is.EqualTo(reward.Contract));
        Assert.That(again.Score(frames, []).Equals(reward.Score(frames, [])));
        Assert.That(again.Reference.ToJson(), Is.EqualTo(reward.Reference.ToJson()));
    }

    private static YolosConfig SmallConfig(bool midPositions) => new()
    {
        HiddenSize = 12,
        IntermediateSize = 16,
        NumHiddenLayers = 2,
        NumAttentionHeads = 3,
        ImageSize = (12, 16),
        PatchSize = 4,
        NumDetectionTokens = 3,
        UseMidPositionEmbeddings = midPositions,
        Labels = LabelTable.FromJson(JsonSerializer.SerializeToElement(new { num_labels = 4 })),
    };
}
