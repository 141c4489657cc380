using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>
/// Lets the frozen matrices and convolution weights of a network wait in the CPU's memory; each arrives before its layer computes. Norms, biases, tables and
/// adapters stay.
/// </summary>
internal sealed class WeightStreaming : IDisposable
{
    private readonly WeightStream _stream;
    private readonly IDisposable? _observing;
    private readonly List<AdapterSlot> _slots = [];

    private WeightStreaming(WeightStream stream)
    {
        _stream = stream;
        _observing = RunContext.Observe(stream);
    }

    /// <summary>Bytes of the weights that wait.</summary>
    public long Bytes => _stream.Bytes;

    /// <summary>Moves the weights of a network out of its device's memory.</summary>
    /// <param name="network">A network that nothing computes with yet.</param>
    /// <param name="transfer">Copies the weights, and is disposed at the end; null: what the network's device has.</param>
    /// <returns>The streaming, until it is restored and disposed; the running flow is that of the run.</returns>
    public static WeightStreaming Begin(nn.Module network, IWeightTransfer? transfer = null)
    {
        IAdaptable[] layers = [.. network.modules().OfType<IAdaptable>()];
        Device device = layers.Length > 0 ? layers[0].Weight.device : CPU;
        var streaming = new WeightStreaming(new WeightStream(transfer ?? (IWeightTransfer?)CudaTransfer.TryCreate(device) ?? new QueuedTransfer(device)));
        try
        {
            foreach (IAdaptable layer in layers.Where(static layer => layer.Slot.Streamed is null))
            {
                layer.Slot.Streamed = streaming._stream.Add(layer.Weight);
                streaming._slots.Add(layer.Slot);
            }

            return streaming;
        }
        catch (Exception)
        {
            using (streaming)
            {
                streaming.Restore();
            }

            throw;
        }
    }

    /// <summary>Brings all weights back, the others too where one cannot be.</summary>
    /// <exception cref="AggregateException">Some weights could not be brought back; they are NaN.</exception>
    public void Restore()
    {
        _slots.ForEach(static slot => slot.Streamed = null);
        _slots.Clear();
        _stream.Restore();
    }

    /// <summary>Ends the streaming; weights that were not brought back stay where they are.</summary>
    public void Dispose()
    {
        _observing?.Dispose();
        _stream.Dispose();
    }
}
