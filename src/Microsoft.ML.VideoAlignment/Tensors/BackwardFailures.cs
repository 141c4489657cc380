using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Failures on their way from a node of the backward pass, past libtorch's native frames and threads, to the caller: each waits under a number that libtorch's
/// own error carries in its text.
/// </summary>
internal static partial class BackwardFailures
{
    /// <summary>Failures that wait at a time. Those that nobody asks for, as after TorchSharp's own <c>backward</c>, make room for later ones.</summary>
    internal const int Capacity = 64;

    /// <summary>Numbers begin where no shape of a real tensor reaches.</summary>
    private const long Base = 1L << 40;

    private static readonly ConcurrentDictionary<long, ExceptionDispatchInfo> s_waiting = new();
    private static long s_last = Base;

    /// <summary>Failures that wait.</summary>
    public static int Count => s_waiting.Count;

    /// <summary>Keeps a failure.</summary>
    /// <param name="exception">The failure, or libtorch's error that stands for one.</param>
    /// <returns>A tensor of one dimension without memory; libtorch's error tells its size.</returns>
    public static Tensor Refusal(Exception exception)
    {
        ExceptionDispatchInfo failure = Take(exception) ?? ExceptionDispatchInfo.Capture(exception);
        long number = Interlocked.Increment(ref s_last);
        s_waiting[number] = failure;
        s_waiting.TryRemove(number - Capacity, out _);
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
            Take(exception)?.Throw();
            throw;
        }
    }

    /// <summary>The failure that libtorch's error stands for, which no longer waits; null where it stands for none.</summary>
    private static ExceptionDispatchInfo? Take(Exception exception)
    {
        if (exception is ExternalException)
        {
            foreach (ValueMatch match in Number().EnumerateMatches(exception.Message))
            {
                ReadOnlySpan<char> digits = exception.Message.AsSpan(match.Index, match.Length);
                if (long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                    && s_waiting.TryRemove(number, out ExceptionDispatchInfo? failure))
                {
                    return failure;
                }
            }
        }

        return null;
    }

    /// <summary>As many digits as <see cref="Base"/> has.</summary>
    [GeneratedRegex("[0-9]{13,}")]
    private static partial Regex Number();
}
