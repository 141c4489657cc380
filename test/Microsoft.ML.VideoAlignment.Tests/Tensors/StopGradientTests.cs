using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class StopGradientTests
{
    [Test]
    public void HeldConstantsKeepTheirFirstValues()
    {
        using DisposeScope scope = NewDisposeScope();
        using var held = new HeldConstants();
        double Run(double x) => held.Run(() =>
        {
            using Tensor constant = StopGradient.Of(() => tensor(x * x), "square");
            return (x * constant.ToDouble()) + StopGradient.Of(() => x);
        });
        Assert.That(Run(2), Is.EqualTo(10), "2 * 4 + 2: recorded");
        Assert.That(Run(3), Is.EqualTo(14), "3 * 4 + 2: replayed");
        Assert.That(held.Count("square"), Is.EqualTo(1));
        Assert.That(StopGradient.Of(() => 7.0), Is.EqualTo(7), "outside of a run nothing is held");
    }

    [Test]
    public void AConstantWithinAConstantIsPartOfIt()
    {
        using var held = new HeldConstants();
        double Run(double x) => held.Run(() => StopGradient.Of(() => StopGradient.Of(() => x) + 1) + StopGradient.Of(() => x));
        Assert.That(Run(1), Is.EqualTo(3));
        Assert.That(Run(5), Is.EqualTo(3));
        Assert.That(held.Count("value"), Is.EqualTo(2));
    }

    [Test]
    public void ARunWithOtherConstantsIsAnError()
    {
        using var held = new HeldConstants();
        held.Run(() => StopGradient.Of(() => 1.0, "a"));
        Assert.That(() => held.Run(() => StopGradient.Of(() => 1.0, "b")), Throws.InvalidOperationException.With.Message.Contains("another constant (b"));
        Assert.That(() => held.Run(() => 1), Throws.InvalidOperationException.With.Message.Contains("0 constants where the first met 1"));
    }

    [Test]
    public void NoGradientComesThrough()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor(2.0).requires_grad_(true);
        (x * StopGradient.Of(() => x * x)).backward();
        Assert.That(x.grad!.ToDouble(), Is.EqualTo(4));
    }
}
