using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public partial class RecomputeScopeTests
{
    [GeneratedRegex(@"\bActivationMemory\b")]
    private static partial Regex Choice();

    [TestCase("Layers")]
    [TestCase("Models")]
    public void NoNetworkHasAChoiceOfItsOwn(string room) => Assert.That(
        Repository.Files("src/Microsoft.ML.VideoAlignment/" + room, "*.cs").Where(path => Choice().IsMatch(CSharpTokens.Code(Repository.Read(path)))), Is.Empty,
        "call Recompute.Run(block, inputs), which asks the scope");

    [TestCase(null, 1)]
    [TestCase(nameof(ActivationMemory.Keep), 1)]
    [TestCase(nameof(ActivationMemory.Recompute), 2)]
    [TestCase(nameof(ActivationMemory.RecomputeOffloaded), 2)]
    public void ABlockRunsAgainAsTheScopeSays(string? blocks, int runs)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? memory = blocks is null ? null : Recompute.BeginScope(Enum.Parse<ActivationMemory>(blocks));
        var counted = new Counted();
        Recompute.Backward(counted.Run().sum());
        Assert.That(counted.Runs, Is.EqualTo(runs));
    }

    [Test]
    public void ABlockWithAChoiceOfItsOwnDoesNotAskTheScope()
    {
        using DisposeScope scope = NewDisposeScope();
        var (kept, recomputed) = (new Counted(), new Counted());
        Recompute.Backward(recomputed.Run(ActivationMemory.Recompute).sum());
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        Recompute.Backward(kept.Run(ActivationMemory.Keep).sum());
        Assert.That((kept.Runs, recomputed.Runs), Is.EqualTo((1, 2)));
    }

    [TestCase(nameof(ActivationMemory.Keep), false, nameof(ActivationMemory.Keep))]
    [TestCase(nameof(ActivationMemory.Recompute), false, nameof(ActivationMemory.Keep))]
    [TestCase(nameof(ActivationMemory.Keep), true, nameof(ActivationMemory.Recompute))]
    [TestCase(nameof(ActivationMemory.Recompute), true, nameof(ActivationMemory.Recompute))]
    [TestCase(nameof(ActivationMemory.RecomputeOffloaded), true, nameof(ActivationMemory.RecomputeOffloaded))]
    public void AStepIsRecomputedWhereItIsAskedFor(string blocks, bool steps, string expected)
    {
        using IDisposable memory = Recompute.BeginScope(Enum.Parse<ActivationMemory>(blocks), steps);
        Assert.That(RunContext.Current.StepActivations.ToString(), Is.EqualTo(expected));
        Assert.That(RunContext.Current.Activations.ToString(), Is.EqualTo(blocks));
    }

    [Test]
    public void AScopeEndsWithItsUsingAlsoWhenTheBodyThrows()
    {
        using (Recompute.BeginScope(ActivationMemory.RecomputeOffloaded, steps: true))
        {
            Assert.That(() => Failing(), Throws.InvalidOperationException);
            Assert.That(RunContext.Current.Activations, Is.EqualTo(ActivationMemory.RecomputeOffloaded), "the scope around it");
            Assert.That(RunContext.Current.StepActivations, Is.EqualTo(ActivationMemory.RecomputeOffloaded));
        }

        Assert.That((RunContext.Current.Activations, RunContext.Current.StepActivations), Is.EqualTo((ActivationMemory.Keep, ActivationMemory.Keep)));

        static void Failing()
        {
            using IDisposable memory = Recompute.BeginScope(ActivationMemory.Keep);
            Assert.That(Recompute.IsActive, Is.False);
            throw new InvalidOperationException();
        }
    }

    [Test]
    public void AScopeGoesWithTheFlowAndNotWithTheThread()
    {
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        Assert.That(Task.Run(() => Recompute.IsActive).GetAwaiter().GetResult(), Is.True);
        ForeignThread.Run(() => Assert.That(Recompute.IsActive, Is.False));
    }

    [Test]
    public void FlowsSideBySideDoNotSeeEachOthersScopes()
    {
        var runs = new int[2];
        ForeignThread.Together(2, (index, meet) =>
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable memory = Recompute.BeginScope(index == 0 ? ActivationMemory.Keep : ActivationMemory.Recompute);
            meet();
            var counted = new Counted();
            Tensor y = counted.Run().sum();
            meet();
            Recompute.Backward(y);
            runs[index] = counted.Runs;
        });
        Assert.That(runs, Is.EqualTo(new[] { 1, 2 }));
    }

    /// <summary>
    /// A block within a block runs forward, when the outer one runs again, and for its own backward pass. Neither the scope's end nor another scope around the
    /// backward pass, nor a thread that knows of none, changes that.
    /// </summary>
    [Test]
    public void ABackwardPassRecomputesAsItWasRecorded([Values] ActivationRecompute around, [Values] bool other)
    {
        using DisposeScope scope = NewDisposeScope();
        var (inner, outer) = (new Counted(), new Counted());
        Tensor x = ones(3).requires_grad_(true), y;
        using (Recompute.BeginScope(ActivationMemory.Recompute))
        {
            y = outer.Run(inputs => inner.Run(x: inputs[0]), x).sum();
        }

        Assert.That((outer.Runs, inner.Runs), Is.EqualTo((1, 1)));
        using (around == ActivationRecompute.None ? null : Recompute.BeginScope(ActivationMemory.Keep, steps: around == ActivationRecompute.Steps))
        {
            Action pass = () => Recompute.Backward(y);
            if (other)
            {
                ForeignThread.Run(pass);
            }
            else
            {
                pass();
            }
        }

        Assert.That((outer.Runs, inner.Runs), Is.EqualTo((2, 3)));
        Assert.That(x.grad!.data<float>().ToArray(), Is.All.EqualTo(2f));
    }

    /// <summary>What was recorded outside of scopes keeps all, also where its backward pass runs within one.</summary>
    [Test]
    public void AScopeDoesNotReachWhatWasRecordedBeforeIt()
    {
        using DisposeScope scope = NewDisposeScope();
        var (inner, outer) = (new Counted(), new Counted());
        Tensor y = outer.Run(ActivationMemory.Recompute, inputs => inner.Run(x: inputs[0])).sum();
        using IDisposable memory = Recompute.BeginScope(ActivationMemory.Recompute);
        Recompute.Backward(y);
        Assert.That((outer.Runs, inner.Runs), Is.EqualTo((2, 2)));
    }

    /// <summary>A block that counts how often it runs: 2 x, or another.</summary>
    private sealed class Counted
    {
        public int Runs { get; private set; }

        public Tensor Run(Func<IReadOnlyList<Tensor>, Tensor>? block = null, Tensor? x = null) =>
            Recompute.Run(Block(block), x ?? ones(3).requires_grad_(true));

        public Tensor Run(ActivationMemory memory, Func<IReadOnlyList<Tensor>, Tensor>? block = null) =>
            Recompute.Run(memory, Block(block), ones(3).requires_grad_(true));

        private Func<IReadOnlyList<Tensor>, Tensor> Block(Func<IReadOnlyList<Tensor>, Tensor>? block) => inputs =>
        {
            Runs++;
            return block is null ? inputs[0] * 2 : block(inputs);
        };
    }
}
