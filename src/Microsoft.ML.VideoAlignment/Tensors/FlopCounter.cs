namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Counts the multiplications and additions of matrix products, convolutions and attention (<see cref="Ops"/>) in this flow of execution, on numbers or on
/// shapes alone. Norms, activations, interpolation and the resizing of images are not counted.
/// </summary>
/// <remarks>
/// A backward pass is counted where its graph is recorded: for each factor that carries gradient as much again as forward. So a recomputed block counts
/// forward, forward again and backward, a frozen weight costs nothing backward, and a graph that is never back-propagated is counted all the same.
/// </remarks>
internal sealed class FlopCounter : IRunObserver, IDisposable
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly IDisposable? _observation;
    private long _operations;

    /// <summary>Begins to count, until disposed. Work of this flow on another thread may have a counter of its own.</summary>
    /// <exception cref="InvalidOperationException">The flow has a counter already.</exception>
    public FlopCounter()
    {
        if (RunContext.Observer<FlopCounter>()?._thread == _thread)
        {
            throw new InvalidOperationException("This flow of execution has a FLOP counter already. Dispose it before another begins.");
        }

        _observation = RunContext.Observe(this);
    }

    /// <summary>Multiplications and additions so far, each one operation.</summary>
    public long Operations => Volatile.Read(ref _operations);

    bool IRunObserver.ObservesOps => true;

    /// <summary>Counts what some work takes, which runs once.</summary>
    /// <param name="work">The work.</param>
    /// <returns>Multiplications and additions, each one operation.</returns>
    public static long Count(Action work)
    {
        using var meter = new FlopCounter();
        work();
        return meter.Operations;
    }

    void IRunObserver.OpDone(in OpRecord op) => Interlocked.Add(ref _operations, 2 * MultiplyAdds(op));

    public void Dispose() => _observation?.Dispose();

    private static long MultiplyAdds(in OpRecord op) => op.Kind switch
    {
        OpKind.Product => op.MultiplyAdds * (1 + WithGradient(op.Factors)),
        OpKind.FusedAttention => OfAttention(op.Factors[0]!, op.Factors[1]!, op.Factors[2]!),
        _ => 0,
    };

    // How many factors will be given a gradient: each is a product more.
    private static int WithGradient(ReadOnlySpan<Tensor?> factors)
    {
        int count = 0;
        foreach (Tensor? factor in is_grad_enabled() ? factors : [])
        {
            count += factor!.requires_grad ? 1 : 0;
        }

        return count;
    }

    // The fused kernel, each query seeing each key: two products forward. Backward it makes the scores again, and then all four gradients (of the weights,
    // queries, keys and values), whoever asks.
    private static long OfAttention(Tensor q, Tensor k, Tensor v)
    {
        long pairs = q.numel() / q.shape[^1] * k.shape[^2], scores = pairs * q.shape[^1], values = pairs * v.shape[^1];
        return scores + values + (WithGradient([q, k, v]) > 0 ? (3 * scores) + (2 * values) : 0);
    }
}
