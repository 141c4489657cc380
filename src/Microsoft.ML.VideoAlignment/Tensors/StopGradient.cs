namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// What is a constant by the definition of a loss: a branch of a formula (a running mean), or a step outside the gradient window.
/// </summary>
/// <remarks>
/// All such constants pass through here, so that a proof of the gradient can keep them where they are while it moves the weights (<see
/// cref="ConstantRecorder"/>). What a formula leaves out of its gradient without being a constant is <see cref="Cut"/>.
/// </remarks>
internal static class StopGradient
{
    /// <summary>Runs a branch without recording a graph.</summary>
    /// <param name="branch">Gives a tensor without a graph; an alias of one that has a graph would have it too.</param>
    /// <param name="what">The kind of constant, for counts.</param>
    public static Tensor Detach(Func<Tensor> branch, string what = "value")
    {
        using IDisposable guard = no_grad();
        return RunContext.Current.Constants is { } holding ? holding.Recorder.RecordTensor(what, () => WithoutRecorder(branch)) : branch();
    }

    /// <summary>
    /// Runs a branch without recording a graph although its value follows what is trained. The gradient of the whole is then not that of its value, and a proof
    /// of the gradient, which holds only constants, fails.
    /// </summary>
    /// <param name="branch">Gives a tensor without a graph; an alias of one that has a graph would have it too.</param>
    public static Tensor Cut(Func<Tensor> branch)
    {
        using IDisposable guard = no_grad();
        return branch();
    }

    /// <summary>Computes a number on the host that is a constant.</summary>
    /// <param name="number">Computes it.</param>
    /// <param name="what">The kind of constant, for counts.</param>
    public static double Detach(Func<double> number, string what = "value") =>
        RunContext.Current.Constants is { } holding ? holding.Recorder.RecordNumber(what, () => WithoutRecorder(number)) : number();

    /// <summary>Lets a recorder hold the constants of this flow of execution, until disposed.</summary>
    /// <param name="recorder">Records constants, or gives recorded ones.</param>
    public static IDisposable Record(ConstantRecorder recorder) => new Recording(recorder);

    // A constant within a constant is part of it: it is not asked for again when the outer one is held.
    private static T WithoutRecorder<T>(Func<T> branch)
    {
        Recording? holding = RunContext.Current.Constants;
        RunContext.KeepConstants(null);
        try
        {
            return branch();
        }
        finally
        {
            RunContext.KeepConstants(holding);
        }
    }

    /// <summary>The time in which a flow of execution keeps constants.</summary>
    internal sealed class Recording : IDisposable
    {
        private readonly Recording? _outer;

        public Recording(ConstantRecorder held)
        {
            (Recorder, _outer) = (held, RunContext.Current.Constants);
            RunContext.KeepConstants(this);
        }

        /// <summary>Where the constants are kept.</summary>
        public ConstantRecorder Recorder { get; }

        /// <summary>Whether the time has ended.</summary>
        public bool IsOver { get; private set; }

        public void Dispose()
        {
            IsOver = true;
            RunContext.KeepConstants(_outer);
        }
    }
}
