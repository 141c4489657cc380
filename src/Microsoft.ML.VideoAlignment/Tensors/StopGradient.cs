namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What is a constant by the definition of a loss: a branch of a formula (a moving-average target, a running mean), or a step outside the gradient window.
/// All such constants pass through here, so that a proof of the gradient can keep them where they are while it moves the weights (<see cref="ConstantRecorder"/>).
/// </summary>
internal static class StopGradient
{
    /// <summary>
    /// Runs <paramref name="branch"/> without recording a graph; it gives a tensor without one (an alias of one that has a graph has it too). <paramref name="what"/>:
    /// a word for counts.
    /// </summary>
    public static Tensor Detach(Func<Tensor> branch, string what = "value")
    {
        using IDisposable guard = no_grad();
        return AmbientState.Current.Constants is { } holding ? holding.Held.Tensor(what, () => WithoutRecorder(branch)) : branch();
    }

    /// <summary>The same of a number on the host.</summary>
    public static double Detach(Func<double> number, string what = "value") =>
        AmbientState.Current.Constants is { } holding ? holding.Held.Number(what, () => WithoutRecorder(number)) : number();

    /// <summary>Gives constants to <paramref name="held"/>, and takes them from it, until disposed; in this flow of execution.</summary>
    public static IDisposable Record(ConstantRecorder held) => new Recording(held);

    /// <summary>A constant within a constant is part of it: it is not asked for again when the outer one is held.</summary>
    private static T WithoutRecorder<T>(Func<T> branch)
    {
        Recording? holding = AmbientState.Current.Constants;
        AmbientState.Current = AmbientState.Current with { Constants = null };
        try
        {
            return branch();
        }
        finally
        {
            AmbientState.Current = AmbientState.Current with { Constants = holding };
        }
    }

    /// <summary>The time in which a flow of execution keeps constants.</summary>
    internal sealed class Recording : IDisposable
    {
        private readonly Recording? _outer;

        public Recording(ConstantRecorder held)
        {
            (Held, _outer) = (held, AmbientState.Current.Constants);
            AmbientState.Current = AmbientState.Current with { Constants = this };
        }

        /// <summary>Where the constants are kept.</summary>
        public ConstantRecorder Held { get; }

        /// <summary>Whether the time has ended.</summary>
        public bool IsOver { get; private set; }

        public void Dispose()
        {
            IsOver = true;
            AmbientState.Current = AmbientState.Current with { Constants = _outer };
        }
    }
}
