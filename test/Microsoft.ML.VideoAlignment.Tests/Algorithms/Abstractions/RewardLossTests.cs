namespace Microsoft.ML.VideoAlignment.Tests;

public class RewardLossTests
{
    /// <summary>Scores 4, 7, 12 by hand: |s - 10| = 6, 3, 2.</summary>
    [Test]
    public void EveryFormByHand()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor scores = tensor([4f, 7f, 12f]);
        Assert.That(RewardLoss.Aesthetic.Compute(scores).item<float>(), Is.EqualTo(0.1 * 11 / 3).Within(1e-6));
        Assert.That(RewardLoss.Maximize(0.5).Compute(scores).item<float>(), Is.EqualTo(-0.5 * 23 / 3).Within(1e-6));
        Assert.That(RewardLoss.Compression.Compute(scores).item<float>(), Is.EqualTo(23.0 / 3).Within(1e-6));
        Assert.That(RewardLoss.PickScore.Compute(scores).item<float>(), Is.EqualTo(1 - (23.0 / 300)).Within(1e-6));
        Assert.That(RewardLoss.Weather.Compute(tensor([0.25f])).item<float>(), Is.EqualTo(0.75).Within(1e-6));
    }

    /// <summary>In the log and in saved alignments: what raises a score must not read as what lowers it.</summary>
    [Test]
    public void EveryFormSaysItsFormula() => Assert.That(
        new[] { RewardLoss.Aesthetic, RewardLoss.Hinge(100, 0.01), RewardLoss.Maximize(), RewardLoss.Minimize(2) }.Select(loss => $"{loss}"),
        Is.EqualTo(new[] { "0.1 mean |score - 10|", "0.01 mean (100 - score)", "-1 mean score", "2 mean score" }));

    /// <summary>The absolute value is not a clamp: above the target the gradient turns round.</summary>
    [Test]
    public void GradientTurnsAtTheTarget()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor scores = tensor([4f, 12f]).requires_grad_(true);
        RewardLoss.Aesthetic.Compute(scores).backward();
        Assert.That(scores.grad!.data<float>().ToArray(), Is.EqualTo(new[] { -0.05f, 0.05f }).Within(1e-7f));
    }

    [Test]
    public void ThePlainFormFollowsTheContract()
    {
        Assert.That(RewardLoss.ForReward(new RewardContract()), Is.EqualTo(RewardLoss.Maximize()));
        Assert.That(RewardLoss.ForReward(new RewardContract { Direction = ScoreDirection.LowerIsBetter }, 2), Is.EqualTo(RewardLoss.Minimize(2)));
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(double.NaN)]
    public void AScaleThatIsNoScaleIsRefused(double scale)
    {
        Assert.That(() => RewardLoss.Maximize(scale), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => RewardLoss.Target(double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
    }
}
