using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class StopGradientTests
{
    [Test]
    public void HeldConstantsKeepTheirFirstValues()
    {
        using DisposeScope scope = NewDisposeScope();
        using var held = new ConstantRecorder();
        double Run(double x) => held.Run(() =>
        {
            using Tensor constant = StopGradient.Detach(() => tensor(x * x), "square");
            return (x * constant.ToDouble()) + StopGradient.Detach(() => x);
        });
        Assert.That(Run(2), Is.EqualTo(10), "2 * 4 + 2: recorded");
        Assert.That(Run(3), Is.EqualTo(14), "3 * 4 + 2: replayed");
        Assert.That(held.Count("square"), Is.EqualTo(1));
        Assert.That(StopGradient.Detach(() => 7.0), Is.EqualTo(7), "outside of a run nothing is held");
    }

    [Test]
    public void AConstantWithinAConstantIsPartOfIt()
    {
        using var held = new ConstantRecorder();
        double Run(double x) => held.Run(() => StopGradient.Detach(() => StopGradient.Detach(() => x) + 1) + StopGradient.Detach(() => x));
        Assert.That(Run(1), Is.EqualTo(3));
        Assert.That(Run(5), Is.EqualTo(3));
        Assert.That(held.Count("value"), Is.EqualTo(2));
    }

    [Test]
    public void ARunWithOtherConstantsIsAnError()
    {
        using var held = new ConstantRecorder();
        held.Run(() => StopGradient.Detach(() => 1.0, "a"));
        Assert.That(() => held.Run(() => StopGradient.Detach(() => 1.0, "b")), Throws.InvalidOperationException.With.Message.Contains("another constant (b"));
        Assert.That(() => held.Run(() => 1), Throws.InvalidOperationException.With.Message.Contains("0 constants where the first met 1"));
    }

    [Test]
    public void NoGradientComesThrough()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor(2.0).requires_grad_(true);
        (x * StopGradient.Detach(() => x * x)).backward();
        Assert.That(x.grad!.ToDouble(), Is.EqualTo(4));
    }

    /// <summary>The block's constant is met again where the block runs again, on a thread that knows nothing of the run.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void ConstantsAreHeldOnTheThreadThatRunsTheBackwardPass(bool deep)
    {
        using DisposeScope scope = NewDisposeScope();
        using var held = new ConstantRecorder();
        int blocks = 0;
        Assert.That(Slope(2), Is.EqualTo(2), "recorded");
        Assert.That(held.Count("value"), Is.EqualTo(blocks));
        Assert.That(Slope(3), Is.EqualTo(2), "replayed: d(c x)/dx with the first run's c");

        double Slope(double value) => held.Run(() =>
        {
            Tensor x = tensor(value).requires_grad_(true);
            Tensor Block(Tensor given)
            {
                blocks++;
                return given * StopGradient.Detach(given.detach);
            }

            Tensor y = deep ? ForeignThread.Deep(Block, x) : Recompute.Run(ActivationMemory.Recompute, inputs => Block(inputs[0]), x);
            ForeignThread.Run(() => Recompute.Backward(y));
            return x.grad!.ToDouble();
        });
    }

    /// <summary>The run is over before the graph that it recorded is used.</summary>
    [Test]
    public void ARunThatHasEndedHoldsNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using var held = new ConstantRecorder();
        Tensor x = tensor(2.0).requires_grad_(true);
        Tensor y = held.Run(() => Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0] * StopGradient.Detach(inputs[0].detach), x));
        Recompute.Backward(y);
        Assert.That(held.Count("value"), Is.EqualTo(1));
    }

    [Test]
    public void RunsAtTheSameTimeHoldTheirOwn()
    {
        double[] sums = new double[2];
        ForeignThread.Together(2, (index, meet) =>
        {
            using var held = new ConstantRecorder();
            double Run(double value) => held.Run(() =>
            {
                meet();
                return StopGradient.Detach(() => value);
            });
            sums[index] = Run(index + 1) + (10 * Run(0));
        });
        Assert.That(sums, Is.EqualTo(new[] { 11.0, 22.0 }));
    }
}
