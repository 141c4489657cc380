using System.Runtime.ExceptionServices;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Threads that did not record a graph and know nothing of the flow of execution that did, as a GPU's thread in libtorch.</summary>
internal static class ForeignThread
{
    /// <summary>Backward passes within each other that libtorch runs on one thread; the next goes to a thread of its own.</summary>
    private const int Deepest = 60;

    /// <summary>Runs <paramref name="work"/> on a new thread without this one's flow, waits, and throws what it threw.</summary>
    public static void Run(Action work) => Together(1, (_, _) => work());

    /// <summary>
    /// Runs <paramref name="work"/> on several such threads at a time, waits, and throws what one of them threw. Each is told its number, and how to wait for
    /// all others that have not ended.
    /// </summary>
    public static void Together(int count, Action<int, Action> work)
    {
        using var barrier = new Barrier(count);
        var failures = new ExceptionDispatchInfo?[count];
        Thread[] threads = [.. Enumerable.Range(0, count).Select(index => new Thread(() =>
        {
            try
            {
                work(index, barrier.SignalAndWait);
            }
            catch (Exception exception)
            {
                failures[index] = ExceptionDispatchInfo.Capture(exception);
            }
            finally
            {
                barrier.RemoveParticipant();
            }
        }))];
        Array.ForEach(threads, thread => thread.UnsafeStart());
        Array.ForEach(threads, thread => thread.Join());
        Array.Find(failures, failure => failure is not null)?.Throw();
    }

    /// <summary>
    /// <paramref name="block"/> of x, so deep in passes that wait for each other that its backward pass runs on a thread of libtorch's own while the caller of
    /// the whole pass waits. libtorch itself carries its errors from there to the caller, as it does from a GPU's thread.
    /// </summary>
    public static Tensor Deep(Func<Tensor, Tensor> block, Tensor x) => CustomFunction.Run(new Descent(block, Deepest + 2), x);

    /// <summary>The block, which is run again and differentiated in the backward pass, so many levels down.</summary>
    private sealed class Descent(Func<Tensor, Tensor> block, int depth) : DifferentiableOperation
    {
        public override string Name => nameof(Descent);

        public override Tensor Forward(IReadOnlyList<Tensor> inputs, ICollection<Tensor> saved)
        {
            saved.Add(inputs[0]);
            return block(inputs[0]);
        }

        public override IReadOnlyList<Tensor?> Backward(BackwardCall call)
        {
            Tensor x = call.Saved[0].detach().requires_grad_(true);
            using (enable_grad())
            {
                Tensor y = depth == 0 ? block(x) : CustomFunction.Run(new Descent(block, depth - 1), x);
                y.backward([call.Gradient]);
            }

            return [x.grad];
        }
    }
}
