using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A node of the backward pass that fails, whatever its operation, thread and exception, fails the call of the pass and nothing else.</summary>
public class BackwardFailureTests
{
    private static IEnumerable<CustomOperation> Operations() => CustomOperations.All;

    public enum Place
    {
        /// <summary>The thread that recorded the graph asks for the pass and runs the node.</summary>
        RecordingThread,

        /// <summary>Another thread, without the recording flow, asks for the pass and runs the node.</summary>
        OtherThread,

        /// <summary>libtorch runs the node on a thread of its own.</summary>
        ThreadOfLibtorch,
    }

    /// <summary>
    /// Every operation with every failure on either thread of ours. On libtorch's, where a failure climbs through sixty passes: every operation, every failure.
    /// </summary>
    private static IEnumerable<TestCaseData> Cases() =>
        from operation in CustomOperations.All
        from place in Enum.GetValues<Place>()
        from fault in Enum.GetValues<Fault>()
        where place != Place.ThreadOfLibtorch || operation == CustomOperations.All[0] || fault == Fault.OutOfMemory
        select new TestCaseData(operation, place, fault);

    [TestCaseSource(nameof(Cases))]
    public void TheCallerGetsTheNodesOwnException(object operation, Place place, Fault fault)
    {
        var tried = (CustomOperation)operation;
        using DisposeScope scope = NewDisposeScope();
        Exception thrown = Faults.Create(fault);
        int caller = Environment.CurrentManagedThreadId;
        int? ran = null;
        Tensor leaf = tried.Leaf();
        Exception? caught;
        using (new BackwardObserver(Break))
        {
            Tensor loss = Loss(tried, leaf, place);
            caught = Assert.Catch(() => Pass(loss, place));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(caught, Is.SameAs(thrown));
            Assert.That(caught!.StackTrace, Does.Contain(nameof(Break)), "the stack begins where it was thrown");
            Assert.That(ran == caller, Is.EqualTo(place == Place.RecordingThread));
            Assert.That(leaf.grad, Is.Null, "no gradient that was not computed");
        }

        Pass(Loss(tried, leaf, Place.OtherThread), Place.OtherThread);
        Assert.That(leaf.grad, Is.Not.Null, "the next pass is as good as any");

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Break(string name)
        {
            int thread = Environment.CurrentManagedThreadId;
            if (name == tried.Name && (place == Place.RecordingThread || thread != caller))
            {
                ran = thread;
                throw thrown;
            }
        }
    }

    /// <summary>The leaf is behind another node, which must not run after one has failed.</summary>
    private static Tensor Loss(CustomOperation operation, Tensor leaf, Place place)
    {
        Tensor x = leaf * 2;
        return (place == Place.ThreadOfLibtorch ? ForeignThread.Deep(operation.Apply, x) : operation.Apply(x)).sum();
    }

    private static void Pass(Tensor loss, Place place)
    {
        if (place == Place.OtherThread)
        {
            ForeignThread.Run(() => Recompute.Backward(loss));
        }
        else
        {
            Recompute.Backward(loss);
        }
    }

    /// <summary>libtorch's own allocator, asked for more than any machine has.</summary>
    [Test]
    public void ALackOfMemoryInARecomputedBlockIsKnownAsOne([Values] Place place)
    {
        using DisposeScope scope = NewDisposeScope();
        int caller = Environment.CurrentManagedThreadId;
        Tensor leaf = ones(3).requires_grad_(true);
        bool Breaks() => is_grad_enabled() && (place == Place.RecordingThread || Environment.CurrentManagedThreadId != caller);
        Tensor Block(IReadOnlyList<Tensor> inputs) => Breaks() ? inputs[0] * empty(1L << 50) : inputs[0] * 2;
        var operation = new CustomOperation("allocating", "Recompute", CPU, [3], x => Recompute.Run(Block, x));
        Exception? caught = Assert.Catch(() => Pass(Loss(operation, leaf, place), place));
        Assert.That(OutOfMemoryAdvice.Caused(caught), caught!.Message);
        Assert.That(leaf.grad, Is.Null);
    }

    /// <summary>Nothing is injected: what was saved is changed before it is needed, which libtorch notices when it is unpacked.</summary>
    [TestCase("Recompute")]
    [TestCase("GroupNormKernel")]
    [TestCase("GegluKernel")]
    public void WhatWasSavedAndChangedIsAnError(string title)
    {
        using DisposeScope scope = NewDisposeScope();
        CustomOperation operation = CustomOperations.All.Single(candidate => candidate.Title == title);
        Tensor leaf = operation.Leaf();
        Tensor x = title == "GroupNormKernel" ? leaf.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : leaf * 2; // channels last is taken as it is
        Tensor loss = operation.Apply(x).sum();
        using (no_grad())
        {
            x.add_(1);
        }

        Assert.That(() => Recompute.Backward(loss), Throws.TypeOf<ExternalException>().With.Message.Contains("modified by an inplace operation"));
        Assert.That(leaf.grad, Is.Null);
    }

    [TestCase]
    [TestCase(0L)]
    [TestCase(1L)]
    [TestCase(3L)]
    [TestCase(1L, 1L)]
    [TestCase(2L, 3L)]
    [TestCase(1L, 1L, 1L, 1L, 1L)]
    public void AFailureIsOneWhateverTheInputsShape(params long[] shape)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(shape).requires_grad_(true), without = ones(shape);
        var operation = new Doubling { Fault = new InvalidOperationException("a fault") };
        Tensor y = CustomFunction.Run(operation, leaf, without);
        Assert.That(() => Recompute.Backward(y.sum()), Throws.Exception.SameAs(operation.Fault));
        Assert.That(leaf.grad, Is.Null);
        Recompute.Backward(CustomFunction.Run(new Doubling(), leaf, without).sum());
        Assert.That(leaf.grad!.equal(full(shape, 2f)).all().ToBoolean());
    }

    [Test]
    public void ATensorThatRequiresNoGradientChangesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        var operation = new Doubling { Fault = new InvalidOperationException("a fault") };
        Assert.That(() => Recompute.Backward(CustomFunction.Run(operation, ones(3), ones(3)).sum()), Throws.Exception.SameAs(operation.Fault));
    }

    /// <summary>Several roots in one pass.</summary>
    [Test]
    public void EitherWayToAskForAPassFails()
    {
        using DisposeScope scope = NewDisposeScope();
        var operation = new Doubling { Fault = new InvalidOperationException("a fault") };
        Tensor leaf = ones(3).requires_grad_(true);
        Tensor Failing() => CustomFunction.Run(operation, leaf, leaf);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Recompute.Backward(Failing(), ones(3)), Throws.Exception.SameAs(operation.Fault));
            Assert.That(() => Recompute.Backward([Failing(), leaf * 3], [ones(3), ones(3)]), Throws.Exception.SameAs(operation.Fault));
        }
    }

    /// <summary>TorchSharp's own call knows nothing of our exceptions: it throws one of its own, and no gradient is made up.</summary>
    [Test]
    public void TorchSharpsOwnBackwardFailsToo()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(3).requires_grad_(true);
        Tensor loss = CustomFunction.Run(new Doubling { Fault = new InvalidOperationException("a fault") }, leaf, leaf).sum();
        Assert.That(loss.backward, Throws.TypeOf<ExternalException>());
        Assert.That(leaf.grad, Is.Null);
    }

    /// <summary>A block that itself calls TorchSharp's backward, as a reward may.</summary>
    [Test]
    public void AFailureInAPassWithinABlockIsTheCallers()
    {
        using DisposeScope scope = NewDisposeScope();
        var fault = new InvalidOperationException("a fault");
        Tensor leaf = ones(3).requires_grad_(true);
        Tensor y = Recompute.Run(
            inputs =>
            {
                if (is_grad_enabled())
                {
                    Tensor own = ones(3).requires_grad_(true);
                    CustomFunction.Run(new Doubling { Fault = fault }, own, own).sum().backward();
                }

                return inputs[0] * 2;
            },
            leaf);
        Assert.That(() => Recompute.Backward(y.sum()), Throws.Exception.SameAs(fault));
    }

    [Test]
    public void LibtorchsOwnErrorStaysAsItIs()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor loss = ones(3).requires_grad_(true).square().sum();
        Recompute.Backward(loss);
        Assert.That(() => Recompute.Backward(loss), Throws.TypeOf<ExternalException>().With.Message.Contains("second time"));
        Assert.That(() => Recompute.Backward(ones(3)), Throws.TypeOf<ExternalException>().With.Message.Contains("does not require grad"));
    }

    [Test]
    public void AnOperationThatForgetsAGradientIsAnError()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(3).requires_grad_(true);
        Assert.That(
            () => Recompute.Backward(CustomFunction.Run(new Doubling { Gradients = 1 }, leaf, leaf).sum()),
            Throws.InvalidOperationException.With.Message.StartsWith("Doubling has 2 inputs and gave 1 gradients."));
    }

    /// <summary>A node behind one that gives no gradient has nothing to do; TorchSharp would make zeros like a tensor that is gone.</summary>
    [Test]
    public void ANodeWithoutAGradientGivesNone([ValueSource(nameof(Operations))] object operation)
    {
        var tried = (CustomOperation)operation;
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = tried.Leaf();
        var ran = new List<string>();
        using (new BackwardObserver(ran.Add))
        {
            Tensor y = tried.Apply(leaf * 2);
            Recompute.Backward(CustomFunction.Run(new Doubling { Silent = true }, y, y).sum());
        }

        Assert.That(ran, Is.EqualTo(new[] { nameof(Doubling) }));
        Assert.That(leaf.grad, Is.Null);
    }

    /// <summary>Both nodes are in their backward functions before either throws.</summary>
    [Test]
    public void PassesThatFailAtTheSameTimeEachGetTheirOwn()
    {
        Exception[] faults = [new InvalidOperationException("first"), new OperationCanceledException("second")];
        var caught = new Exception?[2];
        ForeignThread.Together(2, (index, meet) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor leaf = ones(3).requires_grad_(true);
            Tensor loss = CustomFunction.Run(new Doubling { Fault = faults[index], Before = meet }, leaf, leaf).sum();
            caught[index] = Assert.Catch(() => Recompute.Backward(loss));
        });
        Assert.That(caught, Is.EqualTo(faults));
    }

    /// <summary>As many failures as may wait leave none waiting where the caller gets them, and no more where nobody does.</summary>
    [Test]
    public void FailuresDoNotPileUp()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(3).requires_grad_(true);
        Fail(BackwardFailures.Capacity, loss => Assert.That(() => Recompute.Backward(loss), Throws.InvalidOperationException));
        Assert.That(BackwardFailures.WithoutRun.Count, Is.Zero);
        Fail(BackwardFailures.Capacity + 4, loss => Assert.That(loss.backward, Throws.TypeOf<ExternalException>()));
        Assert.That(BackwardFailures.WithoutRun.Count, Is.EqualTo(BackwardFailures.Capacity));
        Fail(1, loss => Assert.That(() => Recompute.Backward(loss), Throws.InvalidOperationException));

        void Fail(int times, Action<Tensor> pass)
        {
            for (int time = 0; time < times; time++)
            {
                using DisposeScope step = NewDisposeScope();
                pass(CustomFunction.Run(new Doubling { Fault = new InvalidOperationException("a fault") }, leaf, leaf).sum());
            }
        }
    }

    /// <summary>The device stands for a GPU, so that inputs of blocks wait elsewhere.</summary>
    [Test]
    public void AFailureWhileOffloadedInputsComeBackIsTheCallers([Values] Place place)
    {
        using DisposeScope scope = NewDisposeScope();
        Exception fault = Faults.Create(Fault.OutOfDeviceMemory);
        int caller = Environment.CurrentManagedThreadId;
        bool failed = false;
        Tensor leaf = empty(2, 8, device: META).requires_grad_(true);
        var operation = new CustomOperation(
            "offloaded", "Recompute", META, [2, 8], x => Recompute.Run(ActivationMemory.RecomputeOffloaded, inputs => inputs[0] * 2, x));
        using var meter = new MemoryProfiler([], DeviceType.CUDA);
        using (new BackwardObserver(Break))
        {
            Assert.That(() => Pass(Loss(operation, leaf, place), place), Throws.Exception.SameAs(fault));
        }

        Assert.That(failed);
        Assert.That(leaf.grad, Is.Null);
        Pass(Loss(operation, leaf, place), place);
        Assert.That(leaf.grad, Is.Not.Null);

        void Break(string name)
        {
            if (name == BackwardObserver.OffloadedInput && (place == Place.RecordingThread || Environment.CurrentManagedThreadId != caller))
            {
                failed = true;
                throw fault;
            }
        }
    }

    [Test]
    public void AForwardThatFailsIsTheCallersAndLeavesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(3).requires_grad_(true);
        WeakReference failed = Remembered(leaf, inputs => throw new InvalidOperationException("forward"), typeof(InvalidOperationException));
        Assert.That(Collected(failed));
    }

    /// <summary>The block has run; then TorchSharp makes room for a tensor like its result, which no machine has.</summary>
    [Test]
    public void ARecordingThatFailsIsTheCallersAndLeavesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(1).requires_grad_(true);
        Assert.That(Collected(Remembered(leaf, inputs => inputs[0].expand(1L << 50), typeof(ExternalException))));
    }

    /// <summary>The input stays the caller's, and goes with the caller's scope.</summary>
    [Test]
    public void ABlockThatGivesItsInputBackIsTheIdentity()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor leaf = ones(3).requires_grad_(true), x, y;
        using (NewDisposeScope())
        {
            x = leaf * 2;
            y = Recompute.Run(inputs => inputs[0], x).MoveToOuterDisposeScope();
        }

        Assert.That(x.IsInvalid);
        Recompute.Backward(y.sum());
        Assert.That(leaf.grad!.data<float>().ToArray(), Is.All.EqualTo(2f));
    }

    /// <summary>Runs a block that fails; something that only it refers to.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Remembered(Tensor leaf, Func<IReadOnlyList<Tensor>, Tensor> block, Type failure)
    {
        object state = new();
        Assert.That(
            () => Recompute.Run(
                inputs =>
                {
                    GC.KeepAlive(state);
                    return block(inputs);
                },
                leaf),
            Throws.InstanceOf(failure));
        return new WeakReference(state);
    }

    private static bool Collected(WeakReference reference)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return !reference.IsAlive;
    }

    /// <summary>2 (a + 0 b): an operation that fails in the ways of a test.</summary>
    private sealed class Doubling : DifferentiableOperation
    {
        public override string Name => nameof(Doubling);

        public Exception? Fault { get; init; }

        public Action? Before { get; init; }

        public bool Silent { get; init; }

        public int Gradients { get; init; } = 2;

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved) => inputs[0] * 2;

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Before?.Invoke();
            if (Fault is not null)
            {
                throw Fault;
            }

            return [.. new[] { Silent ? null : call.Gradient * 2, call.Required[1] && !Silent ? zeros_like(call.Gradient) : null }.Take(Gradients)];
        }
    }
}
