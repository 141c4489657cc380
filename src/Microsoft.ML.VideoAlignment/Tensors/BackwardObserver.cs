namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Tells whoever observes the flow of execution what its backward passes do. What an observer throws is a failure of the node.</summary>
internal sealed class BackwardObserver : IDisposable
{
    /// <summary>The event before an input that waits in the CPU's memory is brought back.</summary>
    public const string OffloadedInput = "offloaded input";

    private readonly Action<string> _notify;
    private readonly BackwardObserver? _outer;

    /// <summary>Begins to observe, until disposed.</summary>
    /// <param name="notify">Told the name of each operation before its backward pass, and of other events.</param>
    public BackwardObserver(Action<string> notify)
    {
        (_notify, _outer) = (notify, AmbientState.Current.Observer);
        AmbientState.Current = AmbientState.Current with { Observer = this };
    }

    /// <summary>Whether the observation has ended.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Tells the flow's observer, if there is one.</summary>
    public static void Notify(string name) => AmbientState.Current.Observer?._notify(name);

    public void Dispose()
    {
        IsOver = true;
        AmbientState.Current = AmbientState.Current with { Observer = _outer };
    }
}
