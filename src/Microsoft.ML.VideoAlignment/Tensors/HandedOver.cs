namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Handles that TorchSharp leaves in the dispose scope around a custom autograd function, where they would hold memory until the scope ends, long after libtorch
/// has no more use for it: without this, gradients of a whole backward pass.
/// </summary>
internal static class HandedOver
{
    [ThreadStatic]
    private static Tensor[]? t_last;

    /// <summary>
    /// <paramref name="apply"/>'s result without the spare tensor of its shape that TorchSharp makes beside it (for outputs without a gradient, which single outputs
    /// are not).
    /// </summary>
    public static Tensor Applied(Func<Tensor> apply)
    {
        using DisposeScope scope = NewDisposeScope();
        return apply().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Passes on what a backward function returns for <paramref name="gradient"/>. When the next one returns, libtorch has its own references to these, and they
    /// are freed here.
    /// </summary>
    public static List<Tensor> Returned(Tensor gradient, List<Tensor> results)
    {
        foreach (Tensor tensor in t_last ?? [])
        {
            tensor.Dispose();
        }

        t_last = [gradient, .. results.Where(result => result is not null)];
        return results;
    }
}
