namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Counts the multiplications and additions of matrix products, convolutions and attention (<see cref="Ops"/>) in this flow of execution, on numbers or on
/// shapes alone. Norms, activations, interpolation and the resizing of images are not counted. Without a meter in the flow, counting costs nothing.
/// </summary>
/// <remarks>
/// A backward pass is counted where its graph is recorded: for each factor that carries gradient as much again as forward. So a block that is recomputed counts
/// forward, forward again and backward, a frozen weight costs nothing backward, and a graph that nobody back-propagates is counted all the same.
/// </remarks>
internal sealed class FlopCounter : IDisposable
{
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly FlopCounter? _outer = AmbientState.Current.Work;
    private long _operations;

    /// <summary>Begins to count, until disposed. Work of this flow on another thread may have a meter of its own.</summary>
    /// <exception cref="InvalidOperationException">The flow has a meter already.</exception>
    public FlopCounter()
    {
        if (_outer?._thread == _thread)
        {
            throw new InvalidOperationException("This flow of execution has a work meter already. Dispose it before another begins.");
        }

        AmbientState.Current = AmbientState.Current with { Work = this };
    }

    /// <summary>The flow's meter; null: none.</summary>
    public static FlopCounter? Current => AmbientState.Current.Work;

    /// <summary>Multiplications and additions so far, each one operation.</summary>
    public long Operations => Volatile.Read(ref _operations);

    /// <summary>Whether the meter counts no more.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>What some work takes, which runs once.</summary>
    public static long Count(Action work)
    {
        using var meter = new FlopCounter();
        work();
        return meter.Operations;
    }

    /// <summary>A product of two factors, and the gradients it will give to those that carry one.</summary>
    public void Product(long multiplyAdds, params ReadOnlySpan<Tensor> factors)
    {
        long times = 1;
        if (is_grad_enabled())
        {
            foreach (Tensor factor in factors)
            {
                times += factor.requires_grad ? 1 : 0;
            }
        }

        Interlocked.Add(ref _operations, 2 * multiplyAdds * times);
    }

    /// <summary>
    /// The fused kernel of softmax(q k^T) v, each query seeing each key: two products forward. Backward it makes the scores again, and then all four gradients
    /// (of the weights, queries, keys and values), whoever asks.
    /// </summary>
    public void Attention(Tensor q, Tensor k, Tensor v)
    {
        long pairs = q.numel() / q.shape[^1] * k.shape[^2], scores = pairs * q.shape[^1], values = pairs * v.shape[^1];
        bool withGradient = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        Interlocked.Add(ref _operations, 2 * (scores + values + (withGradient ? (3 * scores) + (2 * values) : 0)));
    }

    public void Dispose()
    {
        IsEnded = true;
        AmbientState.Current = AmbientState.Current with { Work = _outer };
    }
}
