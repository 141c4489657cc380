namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// A stream of a CUDA device for copies beside the kernels of the default stream, which is the one that libtorch computes in; events put the two in order.
/// </summary>
internal sealed unsafe class CudaCopyStream : IDisposable
{
    // cudaStreamNonBlocking, cudaEventDisableTiming, cudaMemcpyDefault: by the addresses.
    private const uint NonBlocking = 1, WithoutTiming = 2;
    private const int ByAddress = 4;

    private static readonly string[] s_functions =
    [
        "cudaGetDevice", "cudaGetLastError", "cudaStreamCreateWithFlags", "cudaStreamDestroy", "cudaStreamSynchronize", "cudaStreamWaitEvent",
        "cudaEventCreateWithFlags", "cudaEventDestroy", "cudaEventRecord", "cudaMemcpyAsync",
    ];

    private readonly Dictionary<string, nint> _functions;
    private readonly CudaErrors _errors;
    private readonly Stack<nint> _events = [];
    private readonly List<nint> _allEvents = [];
    private nint _stream;

    private CudaCopyStream(Dictionary<string, nint> functions) => (_functions, _errors) = (functions, new CudaErrors(functions["cudaGetLastError"]));

    /// <summary>Makes a stream of a device.</summary>
    /// <param name="find">From a function's name to its address; 0: the library does not have it.</param>
    /// <param name="device">The device's number, from 0.</param>
    /// <returns>
    /// null: the library lacks a function or refuses, or the thread's device is another, whose default stream would be taken for this one's.
    /// </returns>
    public static CudaCopyStream? TryCreate(Func<string, nint> find, int device)
    {
        Dictionary<string, nint> functions = s_functions.ToDictionary(name => name, find, StringComparer.Ordinal);
        if (functions.ContainsValue(0))
        {
            return null;
        }

        var made = new CudaCopyStream(functions);
        int current;
        nint stream;
        if (!made._errors.Succeeds(((delegate* unmanaged<int*, int>)functions["cudaGetDevice"])(&current)) || current != device
            || !made._errors.Succeeds(((delegate* unmanaged<nint*, uint, int>)functions["cudaStreamCreateWithFlags"])(&stream, NonBlocking)))
        {
            return null;
        }

        made._stream = stream;
        return made;
    }

    /// <summary>Begins a copy, once all that the default stream was given before has ended: the destination may have been in use there.</summary>
    /// <param name="destination">An address of the device.</param>
    /// <param name="source">An address in pinned memory, which stays until the copy has ended.</param>
    /// <param name="bytes">How much.</param>
    /// <returns>The event that marks the copy's end, for <see cref="Wait"/>.</returns>
    /// <exception cref="InvalidOperationException">The CUDA runtime refuses.</exception>
    public nint Copy(nint destination, nint source, long bytes)
    {
        nint mark = TakeEvent();
        Record(mark, stream: 0);
        LetWait(_stream, mark);
        Require("cudaMemcpyAsync", ((delegate* unmanaged<nint, nint, nuint, int, nint, int>)_functions["cudaMemcpyAsync"])(
            destination, source, (nuint)bytes, ByAddress, _stream));
        Record(mark, _stream);
        return mark;
    }

    /// <summary>Lets the default stream go on only after a copy.</summary>
    /// <param name="copied">What <see cref="Copy"/> returned; it is used up.</param>
    /// <exception cref="InvalidOperationException">The CUDA runtime refuses.</exception>
    public void Wait(nint copied)
    {
        LetWait(stream: 0, copied);
        _events.Push(copied);
    }

    /// <summary>Waits for the copies under way and ends the stream.</summary>
    public void Dispose()
    {
        if (_stream != 0)
        {
            _ = _errors.Succeeds(((delegate* unmanaged<nint, int>)_functions["cudaStreamSynchronize"])(_stream));
            _allEvents.ForEach(mark => _errors.Succeeds(((delegate* unmanaged<nint, int>)_functions["cudaEventDestroy"])(mark)));
            _ = _errors.Succeeds(((delegate* unmanaged<nint, int>)_functions["cudaStreamDestroy"])(_stream));
            _stream = 0;
        }
    }

    // An event that was waited for marks the next copy: a wait that is queued keeps what the event marked when it was queued.
    private nint TakeEvent()
    {
        if (_events.TryPop(out nint free))
        {
            return free;
        }

        nint made;
        Require("cudaEventCreateWithFlags", ((delegate* unmanaged<nint*, uint, int>)_functions["cudaEventCreateWithFlags"])(&made, WithoutTiming));
        _allEvents.Add(made);
        return made;
    }

    private void Record(nint mark, nint stream) =>
        Require("cudaEventRecord", ((delegate* unmanaged<nint, nint, int>)_functions["cudaEventRecord"])(mark, stream));

    private void LetWait(nint stream, nint mark) =>
        Require("cudaStreamWaitEvent", ((delegate* unmanaged<nint, nint, uint, int>)_functions["cudaStreamWaitEvent"])(stream, mark, 0));

    private void Require(string function, int error)
    {
        if (!_errors.Succeeds(error))
        {
            throw new InvalidOperationException(
                $"The CUDA runtime refused {function} with error {error} while weights were copied to the GPU. Set Memory.StreamWeights to false, or look the "
                    + "error up in NVIDIA's list of cudaError_t: the one that it names may have happened earlier.");
        }
    }
}
