using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Tensors that a backward function has returned to libtorch.</summary>
/// <remarks>
/// libtorch takes references of its own on the thread that ran the function, as soon as it returns, and TorchSharp keeps its handles: left to the dispose scope
/// they would hold the gradients of a whole backward pass, and freed too early they would be read all the same. So they belong to the thread that returned
/// them: when that thread runs managed code again, libtorch has its references, and other threads may not free them before. Neither pass nor node would do as
/// owner: several passes share a device's thread, and a node does not learn when its result has been read for the last time.
/// </remarks>
internal static class ReturnedGradients
{
    private static readonly ConditionalWeakTable<Thread, Handles> s_ofThread = [];

    /// <summary>Keeps what the running thread is about to return, and frees what it returned before.</summary>
    /// <param name="handles">Null entries are passed over.</param>
    public static void Replace(IReadOnlyList<Tensor?> handles) => s_ofThread.GetOrCreateValue(Thread.CurrentThread).Replace(handles);

    /// <summary>Frees what the running thread has returned; not for use between a backward function's return and libtorch.</summary>
    public static void Release()
    {
        if (s_ofThread.TryGetValue(Thread.CurrentThread, out Handles? handles))
        {
            handles.Replace([]);
        }
    }

    private sealed class Handles
    {
        private IReadOnlyList<Tensor?> _tensors = [];

        public void Replace(IReadOnlyList<Tensor?> tensors)
        {
            foreach (Tensor? tensor in _tensors)
            {
                tensor?.Dispose();
            }

            _tensors = tensors;
        }
    }
}
