namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// The stop-gradient of a formula: a branch that is a constant by the definition of the loss (a moving-average target, a running mean), not by a choice
/// of the trainer's.
/// </summary>
internal static class StopGradient
{
    /// <summary>Runs <paramref name="branch"/> without recording a graph.</summary>
    public static Tensor Of(Func<Tensor> branch)
    {
        using IDisposable guard = no_grad();
        return branch();
    }
}
