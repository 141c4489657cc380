namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Counts the multiplications and additions of this thread's matrix products, convolutions and attention (<see cref="Products"/>), on numbers or on shapes
/// alone. Norms, activations, interpolation and the resizing of pictures are not counted. Without a meter in the thread, counting costs nothing.
/// </summary>
/// <remarks>
/// A backward pass is counted where its graph is recorded: for each factor that carries gradient as much again as forward. So a block that is recomputed counts
/// forward, forward again and backward, a frozen weight costs nothing backward, and a graph that nobody back-propagates is counted all the same.
/// </remarks>
internal sealed class WorkMeter : IDisposable
{
    [ThreadStatic]
    private static WorkMeter? t_current;

    public WorkMeter() =>
        t_current = t_current is null ? this : throw new InvalidOperationException("This thread has a work meter already.");

    /// <summary>The thread's meter, or null.</summary>
    public static WorkMeter? Current => t_current;

    /// <summary>Multiplications and additions so far, each one operation.</summary>
    public long Operations { get; private set; }

    /// <summary>What some work takes, which runs once.</summary>
    public static long Of(Action work)
    {
        using var meter = new WorkMeter();
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

        Operations += 2 * multiplyAdds * times;
    }

    /// <summary>
    /// The fused kernel of softmax(q k^T) v, each query seeing each key: two products forward. Backward it makes the scores again, and then all four gradients
    /// (of the weights, queries, keys and values), whoever asks.
    /// </summary>
    public void Attention(Tensor q, Tensor k, Tensor v)
    {
        long pairs = q.numel() / q.shape[^1] * k.shape[^2], scores = pairs * q.shape[^1], values = pairs * v.shape[^1];
        bool graded = is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad);
        Operations += 2 * (scores + values + (graded ? (3 * scores) + (2 * values) : 0));
    }

    public void Dispose() => t_current = null;
}
