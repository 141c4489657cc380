using System.Runtime.InteropServices;

namespace Examples;

/// <summary>
/// Answers Ctrl+C, SIGTERM (docker stop, a cluster's time limit) and SIGHUP (a closed terminal). The first Ctrl+C ends training after the step under way, and
/// the comparison follows; a second one, or another signal, leaves the comparison out; the next ends the program at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _training = new();
    private readonly CancellationTokenSource _comparison = new();
    private readonly PosixSignalRegistration[] _signals;
    private readonly string _goOn;

    /// <param name="goOn">How to go on later, as a sentence after a blank; empty: it is not said.</param>
    public Interruption(string goOn)
    {
        _goOn = goOn;
        PosixSignal[] signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        _signals = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, context => context.Cancel = Receive(context.Signal)))];
    }

    /// <summary>Canceled when training is to end after the step under way.</summary>
    public CancellationToken Training => _training.Token;

    /// <summary>Canceled when the program is to end with what was trained, without a comparison.</summary>
    public CancellationToken Comparison => _comparison.Token;

    /// <summary>The exit code: 128 + the signal's number where a signal ended the program, else 0.</summary>
    public int ExitCode { get; private set; }

    /// <summary>Whether training is over: then Ctrl+C ends the comparison.</summary>
    public bool Trained { private get; set; }

    public void Dispose()
    {
        Array.ForEach(_signals, signal => signal.Dispose());
        _training.Dispose();
        _comparison.Dispose();
    }

    /// <summary>Acts on a signal.</summary>
    /// <param name="signal">The signal.</param>
    /// <returns>Whether it was dealt with; false: the program is to end at once.</returns>
    internal bool Receive(PosixSignal signal)
    {
        if (_comparison.IsCancellationRequested)
        {
            return false;
        }

        bool compares = signal == PosixSignal.SIGINT && !Trained && !_training.IsCancellationRequested;
        ExitCode = compares ? 0 : 128 + signal switch { PosixSignal.SIGINT => 2, PosixSignal.SIGHUP => 1, _ => 15 };
        if (!compares)
        {
            _comparison.Cancel();
        }

        _training.Cancel();
        Console.WriteLine(compares
            ? $"Stopping after the step under way, then comparing; Ctrl+C again leaves the comparison out.{_goOn}"
            : (Trained ? "Ending without the rest of the comparison" : "Ending after the step under way, without a comparison")
                + $"; once more ends the program at once.{_goOn}");
        return true;
    }
}
