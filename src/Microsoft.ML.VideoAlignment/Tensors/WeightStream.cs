using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Brings frozen weights to the device one after another as they are computed with, and keeps a window of them there. The order in which they were first used
/// in each stage of a run is remembered, and what came next then is copied ahead.
/// </summary>
/// <remarks>
/// Half of the window is for what is copied ahead, the other half for what the running block may need again in its backward pass. Events come from one thread
/// at a time, on a GPU also from libtorch's own.
/// </remarks>
internal sealed class WeightStream : IRunObserver, IDisposable
{
    /// <summary>The window is this part of all that is streamed: a block of a network is rarely more than half of that.</summary>
    internal const int WindowParts = 6;

    private readonly IWeightTransfer _transfer;
    private readonly Lock _lock = new();
    private readonly List<StreamedWeight> _weights = [];
    private readonly List<StreamedWeight> _used = [];
    private readonly Queue<StreamedWeight> _ahead = [];
    private readonly Dictionary<(RunStage Stage, StreamedWeight Weight), StreamedWeight> _next = [];
    private RunStage _stage;
    private StreamedWeight? _last;

    /// <summary>Makes a stream without weights.</summary>
    /// <param name="transfer">Copies the weights; the stream owns it.</param>
    public WeightStream(IWeightTransfer transfer) => _transfer = transfer;

    /// <summary>Bytes of all weights that are streamed.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes of weights that are on the device at most, unless a single one is larger.</summary>
    public long Window => Bytes / WindowParts;

    /// <summary>Bytes of weights that are on the device, or on their way.</summary>
    public long Present => _used.Concat(_ahead).Sum(weight => weight.Bytes);

    /// <summary>Lets a weight wait from now on.</summary>
    /// <param name="parameter">A frozen parameter without gaps between its numbers.</param>
    /// <returns>What gives the weight to compute with.</returns>
    public StreamedWeight Add(Parameter parameter)
    {
        var weight = new StreamedWeight(this, parameter, _transfer);
        _weights.Add(weight);
        Bytes += weight.Bytes;
        return weight;
    }

    /// <summary>What comes next differs from stage to stage.</summary>
    /// <param name="stage">The stage that begins.</param>
    public void Enter(RunStage stage)
    {
        lock (_lock)
        {
            (_stage, _last) = (stage, null);
        }
    }

    /// <summary>Gets a weight that is computed with now, and copies ahead what will follow.</summary>
    /// <param name="weight">A weight of this stream.</param>
    /// <returns>A fresh handle.</returns>
    public Tensor Fetch(StreamedWeight weight)
    {
        lock (_lock)
        {
            if (!_used.Remove(weight))
            {
                Receive(weight);
            }

            _used.Add(weight);
            CopyAhead(_last ?? weight);
            return RunContext.OpDone(weight.Copy!.Weight.alias(), []);
        }
    }

    /// <summary>Brings all weights back, the others too where one cannot be.</summary>
    /// <exception cref="AggregateException">Some weights could not be brought back; their parameters are NaN.</exception>
    public void Restore()
    {
        lock (_lock)
        {
            StreamedWeight[] all = [.. _weights];
            _weights.Clear();
            Bytes = 0;
            _used.Clear();
            _ahead.Clear();
            Attempts.RunAll([.. all.Select(weight => (Action)weight.Drop), .. all.Select(weight => (Action)(() => weight.Restore(_transfer)))]);
        }
    }

    /// <summary>Ends the copying; weights that were not brought back go on waiting.</summary>
    public void Dispose() => _transfer.Dispose();

    // A weight that is first used since it came, or comes now.
    private void Receive(StreamedWeight weight)
    {
        // What was copied ahead of it and not used was copied in vain: this time the order is another.
        while (_ahead.TryDequeue(out StreamedWeight? ahead) && ahead != weight)
        {
            ahead.Drop();
        }

        weight.IsAhead = false;
        if (weight.Copy is null)
        {
            MakeRoom(weight.Bytes, kept: []);
            weight.Begin(_transfer);
        }

        weight.Copy!.Wait();
        if (_last is not null)
        {
            _next[(_stage, _last)] = weight;
        }

        _last = weight;
    }

    // Follows the order of the last time, as far as half of the window reaches. What is used on the way there stays.
    private void CopyAhead(StreamedWeight from)
    {
        long bytes = _ahead.Sum(ahead => ahead.Bytes);
        HashSet<StreamedWeight> kept = [_used[^1]];
        while (_next.TryGetValue((_stage, from), out StreamedWeight? following) && kept.Add(following))
        {
            from = following;
            if (following.Copy is not null)
            {
                continue;
            }

            bytes += following.Bytes;
            if (bytes > Window / 2 || !MakeRoom(following.Bytes, kept))
            {
                return;
            }

            following.Begin(_transfer);
            following.IsAhead = true;
            _ahead.Enqueue(following);
        }
    }

    // Drops what was used longest ago, and nothing that is kept; false: there is no room even so.
    private bool MakeRoom(long bytes, HashSet<StreamedWeight> kept)
    {
        while (Present + bytes > Window && _used.Find(weight => !kept.Contains(weight)) is { } oldest)
        {
            oldest.Drop();
            _used.Remove(oldest);
        }

        return Present + bytes <= Window;
    }
}
