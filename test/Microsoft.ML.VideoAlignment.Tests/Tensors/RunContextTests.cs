using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a run's observers are told, and by whom.</summary>
public class RunContextTests
{
    [Test]
    public void ObserversHearTheirFlowUntilTheyEnd()
    {
        var first = new Listener();
        var second = new OtherListener();
        using (RunContext.Observe(first))
        {
            RunContext.Enter(RunStage.Sampling);
            using (RunContext.Observe(second))
            {
                RunContext.Enter(RunStage.Decoding);
                RunContext.DenoiserEvaluated(3);
            }

            RunContext.Enter(RunStage.Scoring);
        }

        RunContext.Enter(RunStage.Encoding);
        Assert.That(first.Heard, Is.EqualTo(new[] { "Sampling", "Decoding", "3 rows", "Scoring" }));
        Assert.That(second.Heard, Is.EqualTo(new[] { "Decoding", "3 rows" }));
    }

    [Test]
    public void AnObserverTakesThePlaceOfItsLike()
    {
        Listener outer = new(), inner = new();
        using IDisposable? observation = RunContext.Observe(outer);
        Assert.That(RunContext.Observe(outer), Is.Null, "it listens already");
        using (RunContext.Observe(inner))
        {
            RunContext.Enter(RunStage.Sampling);
            Assert.That(RunContext.Observer<Listener>(), Is.SameAs(inner));
        }

        RunContext.Enter(RunStage.Backward);
        Assert.That(inner.Heard, Is.EqualTo(new[] { "Sampling" }));
        Assert.That(outer.Heard, Is.EqualTo(new[] { "Backward" }));
    }

    /// <summary>A run inside, and its end, leave the observers of the flow around it as they are.</summary>
    [Test]
    public void ObserversOfTheFlowHearTheRunsWithin()
    {
        var listener = new Listener();
        using (RunContext.Observe(listener))
        {
            using (RunContext.Begin(DeviceType.CUDA))
            {
                Assert.That(RunContext.IsForCpu, Is.False);
                RunContext.Enter(RunStage.Sampling);
            }

            Assert.That(RunContext.IsForCpu);
            RunContext.Enter(RunStage.Scoring);
        }

        Assert.That(listener.Heard, Is.EqualTo(new[] { "Sampling", "Scoring" }));
    }

    /// <summary>The block is evaluated a second time in the backward pass, here and on a thread that knows nothing of the flow.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void WhatABackwardPassEvaluatesAgainIsNotTold(bool other)
    {
        using DisposeScope scope = NewDisposeScope();
        var listener = new Listener();
        int ran = 0;
        using (RunContext.Observe(listener))
        {
            Tensor y = Recompute.Run(
                ActivationMemory.Recompute, inputs =>
                {
                    ran++;
                    RunContext.DenoiserEvaluated(1);
                    return Recompute.Run(ActivationMemory.Recompute, again => again[0] * 2, inputs[0]);
                },
                ones(3).requires_grad_(true)).sum();
            if (other)
            {
                ForeignThread.Run(() => Recompute.Backward(y));
            }
            else
            {
                Recompute.Backward(y);
            }

            RunContext.DenoiserEvaluated(5);
        }

        Assert.That(ran, Is.EqualTo(2));
        Assert.That(listener.Heard.Where(heard => heard.EndsWith("rows", StringComparison.Ordinal)), Is.EqualTo(new[] { "1 rows", "5 rows" }));
    }

    /// <summary>A run in a callback of another is not ended by what ends the other.</summary>
    [Test]
    public void ACancellationEndsItsRunAndNoOther()
    {
        using var source = new CancellationTokenSource();
        using (RunContext.Begin(DeviceType.CPU, cancellation: source.Token))
        {
            Assert.That(RunContext.ThrowIfCanceled, Throws.Nothing);
            source.Cancel();
            Assert.That(RunContext.ThrowIfCanceled, Throws.InstanceOf<OperationCanceledException>());
            Assert.That(() => Task.Run(RunContext.ThrowIfCanceled).Wait(), Throws.InnerException.InstanceOf<OperationCanceledException>(), "in its tasks");
            using (RunContext.Begin(DeviceType.CPU))
            {
                Assert.That(RunContext.ThrowIfCanceled, Throws.Nothing);
            }

            Assert.That(RunContext.ThrowIfCanceled, Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(RunContext.ThrowIfCanceled, Throws.Nothing);
    }

    /// <summary>A failure waits in its run and in no other; once the run has ended, with those of flows without one.</summary>
    [Test]
    public void FailuresBelongToTheirRun()
    {
        using DisposeScope scope = NewDisposeScope();
        int before = BackwardFailures.WithoutRun.Count;
        Tensor late;
        using (RunContext.Begin(DeviceType.CPU))
        {
            Assert.That(Failing().backward, Throws.TypeOf<ExternalException>(), "not asked for the failure, which goes on waiting");
            Assert.That(RunContext.Current.Failures.Count, Is.EqualTo(1));
            Assert.That(BackwardFailures.WithoutRun.Count, Is.EqualTo(before));
            Tensor loss = Failing();
            Assert.That(() => ForeignThread.Run(() => Recompute.Backward(loss)), Throws.InstanceOf<Exception>());
            Assert.That(() => Recompute.Backward(Failing()), Throws.TypeOf<TimeoutException>());
            late = Failing();
        }

        Assert.That(() => Recompute.Backward(late), Throws.TypeOf<TimeoutException>());

        static Tensor Failing() => CustomFunction.Run(new FailingOperation(), ones(3).requires_grad_(true)).sum();
    }

    /// <summary>Events take no memory where operations are not listened to: neither without observers nor with one that wants other events.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void EventsTakeNoMemory(bool listening)
    {
        using IDisposable? observation = listening ? RunContext.Observe(new Counter()) : null;
        Raise();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int time = 0; time < 100; time++)
        {
            Raise();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        static void Raise()
        {
            RunContext.Enter(RunStage.Sampling);
            RunContext.DenoiserEvaluated(1);
            RunContext.Differentiating("operation");
            RunContext.HostReads("reader");
            if (RunContext.ObservesOps)
            {
                throw new InvalidOperationException();
            }
        }
    }

    private class Listener : IRunObserver
    {
        public List<string> Heard { get; } = [];

        public void Enter(RunStage stage) => Heard.Add(stage.ToString());

        public void DenoiserEvaluated(long rows) => Heard.Add($"{rows} rows");
    }

    private sealed class OtherListener : Listener;

    private sealed class Counter : IRunObserver
    {
        public long Rows { get; private set; }

        public void DenoiserEvaluated(long rows) => Rows += rows;
    }

    private sealed class FailingOperation : DifferentiableOperation
    {
        public override string Name => nameof(FailingOperation);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved) => inputs[0].clone();

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call) => throw new TimeoutException();
    }
}
