using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>A run's failures on their way from a node of the backward pass, past libtorch's native frames and threads, to the caller.</summary>
/// <remarks>Each waits under a number, unique in the process, that libtorch's own error carries in its text.</remarks>
internal sealed partial class BackwardFailures
{
    /// <summary>
    /// Most failures of a run that wait. Those that are never asked for, as after TorchSharp's own <c>backward</c>, make room for later ones.
    /// </summary>
    internal const int Capacity = 64;

    /// <summary>Numbers begin where no shape of a real tensor reaches.</summary>
    private const long Base = 1L << 40;

    private static long s_last = Base;

    private readonly ConcurrentDictionary<long, ExceptionDispatchInfo> _waiting = new();

    /// <summary>The failures of flows that belong to no run, and of nodes whose run has ended.</summary>
    public static BackwardFailures WithoutRun { get; } = new();

    /// <summary>Failures that wait.</summary>
    public int Count => _waiting.Count;

    /// <summary>Keeps a failure.</summary>
    /// <param name="exception">The failure, or libtorch's error that stands for one.</param>
    /// <returns>A tensor of one dimension without memory; libtorch's error tells its size.</returns>
    public Tensor Refusal(Exception exception)
    {
        ExceptionDispatchInfo failure = Find(exception) ?? ExceptionDispatchInfo.Capture(exception);
        long number = Interlocked.Increment(ref s_last);
        _waiting[number] = failure;
        foreach (long oldest in _waiting.Count > Capacity ? _waiting.Keys.Order().Take(_waiting.Count - Capacity) : [])
        {
            _waiting.TryRemove(oldest, out _);
        }

        return empty([number], dtype: ScalarType.Byte, device: META);
    }

    /// <summary>Runs a backward pass; a failure of a node leaves it as the exception that the node threw.</summary>
    /// <param name="pass">Calls libtorch.</param>
    public static void Rethrow(Action pass)
    {
        try
        {
            pass();
        }
        catch (ExternalException exception)
        {
            Find(exception)?.Throw();
            throw;
        }
    }

    // The failure that libtorch's error stands for, of the flow's run or of none; it no longer waits. Null where the error stands for none.
    private static ExceptionDispatchInfo? Find(Exception exception) =>
        exception is ExternalException ? RunContext.Current.Failures.Remove(exception.Message) ?? WithoutRun.Remove(exception.Message) : null;

    private ExceptionDispatchInfo? Remove(string message)
    {
        foreach (ValueMatch match in Number().EnumerateMatches(message))
        {
            if (long.TryParse(message.AsSpan(match.Index, match.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                && _waiting.TryRemove(number, out ExceptionDispatchInfo? failure))
            {
                return failure;
            }
        }

        return null;
    }

    /// <summary>As many digits as <see cref="Base"/> has.</summary>
    [GeneratedRegex("[0-9]{13,}")]
    private static partial Regex Number();
}
