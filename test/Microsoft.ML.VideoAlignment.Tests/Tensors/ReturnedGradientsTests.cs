using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What backward functions return lives until libtorch has it, and not much longer.</summary>
public class ReturnedGradientsTests
{
    [Test]
    public void AThreadFreesItsOwnAndNoOthers()
    {
        Tensor first = ones(3).DetachFromDisposeScope(), second = ones(3).DetachFromDisposeScope(), elsewhere = ones(3).DetachFromDisposeScope();
        ReturnedGradients.Replace([null, first]);
        ForeignThread.Run(() =>
        {
            ReturnedGradients.Release();
            ReturnedGradients.Replace([elsewhere]);
            ReturnedGradients.Replace([]);
        });
        Assert.That(elsewhere.IsInvalid);
        Assert.That(first.IsInvalid, Is.False, "libtorch may still have to read it");
        ReturnedGradients.Replace([second]);
        Assert.That(first.IsInvalid);
        ReturnedGradients.Release();
        Assert.That(second.IsInvalid);
    }

    /// <summary>On a thread that has no dispose scope, as libtorch's own: nobody else would free them. Good passes and such as fail.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void NothingIsLeftOfAPass(bool fails)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = Ramp.Values(1, 4, 4).requires_grad_(true);
        int nodes = 0;
        using var observer = new BackwardObserver(_ =>
        {
            if (++nodes % 5 == 3 && fails)
            {
                throw new InvalidOperationException("a fault");
            }
        });
        Tensor[] losses = [.. Enumerable.Range(0, 10).Select(_ => Chain(leaf, 5).sum())];
        var live = new List<long>();
        ForeignThread.Run(() =>
        {
            foreach (Tensor loss in losses)
            {
                nodes = 0;
                Assert.That(() => Recompute.Backward(loss), fails ? Throws.InvalidOperationException : Throws.Nothing);
                live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            }
        });
        Assert.That(live, Is.All.EqualTo(0));
    }

    /// <summary>Handles that are alive as each node of a pass begins.</summary>
    [Test]
    public void HandlesDoNotGrowWithTheNodesOfAPass()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = Ramp.Values(1, 4, 4).requires_grad_(true);
        var live = new List<long>();
        Tensor loss;
        using (new BackwardObserver(_ => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount)))
        {
            loss = Chain(leaf, 50).sum();
            ForeignThread.Run(() => Recompute.Backward(loss));
        }

        Assert.That(live, Has.Count.EqualTo(50));
        Assert.That(live.Skip(2), Is.All.EqualTo(live[1]), string.Join(", ", live));
    }

    [Test]
    public void PassesAtTheSameTimeLeaveEachOthersGradientsAlone()
    {
        float[][] gradients = new float[4][];
        float[] alone = Gradient(1);
        ForeignThread.Together(gradients.Length, (index, _) => gradients[index] = Gradient(30));
        foreach (float[] gradient in gradients)
        {
            Assert.That(gradient, Is.EqualTo(alone));
        }

        static float[] Gradient(int times)
        {
            float[] last = [];
            for (int time = 0; time < times; time++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor leaf = Ramp.Values(1, 16, 16).requires_grad_(true);
                Recompute.Backward(Chain(leaf, 10).sum());
                float[] gradient = leaf.grad!.data<float>().ToArray();
                last = last.Length == 0 || gradient.SequenceEqual(last) ? gradient : throw new InvalidOperationException($"pass {time} gave another gradient");
            }

            return last;
        }
    }

    private static Tensor Chain(Tensor x, int length)
    {
        for (int block = 0; block < length; block++)
        {
            x = Recompute.Run(ActivationMemory.Recompute, inputs => inputs[0].sin() * 2, x);
        }

        return x;
    }
}
