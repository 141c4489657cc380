using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Listens to the backward passes of its flow of execution. What it throws is a failure of the node.</summary>
internal sealed class BackwardObserver : IRunObserver, IDisposable
{
    /// <summary>The event before an input that waits in the CPU's memory is brought back.</summary>
    public const string OffloadedInput = "offloaded input";

    private readonly Action<string> _notify;
    private readonly IDisposable? _observation;

    /// <param name="notify">Receives the name of each operation before its backward pass, and other events.</param>
    public BackwardObserver(Action<string> notify)
    {
        _notify = notify;
        _observation = RunContext.Observe(this);
    }

    void IRunObserver.Differentiating(string operation) => _notify(operation);

    void IRunObserver.RestoringInput() => _notify(OffloadedInput);

    public void Dispose() => _observation?.Dispose();
}
