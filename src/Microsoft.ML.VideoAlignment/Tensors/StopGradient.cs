namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What is a constant by the definition of a loss: a branch of a formula (a moving-average target, a running mean), or a step outside the gradient window.
/// All such constants pass through here, so that a proof of the gradient can keep them where they are while it moves the weights (<see cref="HeldConstants"/>).
/// </summary>
internal static class StopGradient
{
    [ThreadStatic]
    private static HeldConstants? t_held;

    /// <summary>
    /// Runs <paramref name="branch"/> without recording a graph; it gives a tensor without one (an alias of one that has a graph has it too). <paramref name="what"/>:
    /// a word for counts.
    /// </summary>
    public static Tensor Of(Func<Tensor> branch, string what = "value")
    {
        using IDisposable guard = no_grad();
        return t_held is { } held ? held.Tensor(what, () => Alone(branch)) : branch();
    }

    /// <summary>The same of a number on the host.</summary>
    public static double Of(Func<double> number, string what = "value") => t_held is { } held ? held.Number(what, () => Alone(number)) : number();

    /// <summary>Gives constants to <paramref name="held"/>, and takes them from it, until disposed; on this thread.</summary>
    public static IDisposable Under(HeldConstants held)
    {
        HeldConstants? outer = t_held;
        t_held = held;
        return new Ending(() => t_held = outer);
    }

    /// <summary>A constant within a constant is part of it: it is not asked for again when the outer one is held.</summary>
    private static T Alone<T>(Func<T> branch)
    {
        HeldConstants? held = t_held;
        t_held = null;
        try
        {
            return branch();
        }
        finally
        {
            t_held = held;
        }
    }

    private sealed class Ending(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
