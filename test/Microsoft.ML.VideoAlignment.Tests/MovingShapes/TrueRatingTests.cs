using Microsoft.ML.VideoAlignment.MovingShapes;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The formula against small images whose parts are known by hand.</summary>
public class TrueRatingTests
{
    /// <summary>A centered 14 x 14 red square on gray: color c = .6, top = .6, share 196/1024, centroid (16, 16), most pixels flat.</summary>
    [Test]
    public void ACenterdSquareByHand()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frame = full([1L, 3, 32, 32], 0.2f);
        frame[0, 0].narrow(0, 9, 14).narrow(1, 9, 14).fill_(0.8);
        TrueRating.Parts parts = TrueRating.Measure(frame);
        Assert.That(parts.Vividness.item<float>(), Is.EqualTo(0.6 / 0.9).Within(1e-5));
        Assert.That(parts.Area.item<float>(), Is.EqualTo(196 / 1024.0).Within(1e-6));
        double size = Math.Exp(-Math.Pow(((196 / 1024.0) - 0.2) / 0.08, 2));
        Assert.That(parts.Size.item<float>(), Is.EqualTo(size).Within(1e-5));
        Assert.That(parts.Cleanness.item<float>(), Is.EqualTo(1).Within(1e-6));
        Assert.That(parts.Position.item<float>(), Is.EqualTo(1).Within(1e-6));
        Assert.That(TrueRating.Rate(frame).item<float>(), Is.EqualTo(1 + (9 * ((0.5 * 0.6 / 0.9) + (0.2 * size) + 0.2 + 0.1))).Within(1e-4));
    }

    /// <summary>Off center by (4, 3): P = exp(-25/64). A checkerboard of step .01 in luma: |dx| + |dy| = .02 everywhere, C = exp(-.02/.015).</summary>
    [Test]
    public void PlaceAndClutterByHand()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor board = (arange(32).view(32, 1) + arange(32).view(1, 32)).remainder(2).to_type(ScalarType.Float32) * 0.01f;
        Tensor frame = board.view(1, 1, 32, 32).expand(1, 3, 32, 32).clone() + 0.2f;
        frame[0, 2].narrow(0, 15, 8).narrow(1, 16, 8).add_(0.5);
        TrueRating.Parts parts = TrueRating.Measure(frame);
        Assert.That(parts.Position.item<float>(), Is.EqualTo(Math.Exp(-25 / 64.0)).Within(1e-5));
        Assert.That(parts.Cleanness.item<float>(), Is.EqualTo(Math.Exp(-0.02 / 0.015)).Within(1e-4));
        Assert.That(parts.Area.item<float>(), Is.EqualTo(64 / 1024.0).Within(1e-6));
    }

    [Test]
    public void TheRewardIsTheMeanOverFramesAndDeclaresNoGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using VideoReward reward = MovingShapesRewards.TrueRating();
        using var generator = new Generator(3);
        Tensor frames = rand([2L, 3, 4, 32, 32], generator: generator);
        Tensor score = reward.Score(frames, []);
        for (int video = 0; video < 2; video++)
        {
            Assert.That(score[video].item<float>(), Is.EqualTo(TrueRating.Rate(frames[video].transpose(0, 1)).mean().item<float>()).Within(1e-5));
        }

        Assert.That(() => RewardContractCheck.Run(reward, CPU), Throws.TypeOf<RewardContractException>());
    }
}
