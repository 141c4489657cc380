using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// A frozen weight whose numbers wait elsewhere. Its parameter keeps shape, type and device and shows a single number in every place, NaN where the type has
/// it, so that whoever reads it around <see cref="Fetch"/> notices.
/// </summary>
internal sealed class StreamedWeight
{
    private readonly WeightStream _stream;
    private readonly Parameter _parameter;
    private readonly long[] _shape, _strides;
    private readonly Tensor _waiting;

    /// <summary>Moves the numbers of a parameter to where they wait.</summary>
    /// <param name="stream">Brings them back.</param>
    /// <param name="parameter">The frozen parameter, without gaps between its numbers.</param>
    /// <param name="transfer">Copies the numbers.</param>
    public StreamedWeight(WeightStream stream, Parameter parameter, IWeightTransfer transfer)
    {
        (_stream, _parameter, _shape, _strides) = (stream, parameter, parameter.shape, parameter.stride());
        Bytes = parameter.numel() * parameter.element_size();
        _waiting = transfer.Store(parameter).DetachFromDisposeScope();
        using Tensor one = parameter.is_floating_point() ? full(1, float.NaN, dtype: parameter.dtype, device: parameter.device)
            : zeros(1, dtype: parameter.dtype, device: parameter.device);
        using Tensor hollow = one.expand(_shape);
        Replace(hollow);
    }

    /// <summary>Bytes of the weight's numbers.</summary>
    public long Bytes { get; }

    /// <summary>The weight on the device, or on its way; null: it waits.</summary>
    public IWeightCopy? Copy { get; private set; }

    /// <summary>Whether the copy was begun before the weight was asked for, and it was not asked for since.</summary>
    public bool IsAhead { get; set; }

    /// <summary>The weight to compute with: a fresh handle on memory that stays as long as the handle, or what is computed with it, does.</summary>
    public Tensor Fetch() => _stream.Fetch(this);

    /// <summary>Begins to copy the numbers to the device.</summary>
    /// <param name="transfer">Copies them.</param>
    public void Begin(IWeightTransfer transfer) => Copy = transfer.Begin(_waiting, _shape, _strides);

    /// <summary>Gives the copy up; the numbers go on waiting.</summary>
    public void Drop()
    {
        Copy?.Dispose();
        (Copy, IsAhead) = (null, false);
    }

    /// <summary>Brings the numbers back into the parameter for good; a copy on the device is dropped before.</summary>
    /// <param name="transfer">Copies them.</param>
    public void Restore(IWeightTransfer transfer)
    {
        using IWeightCopy copy = transfer.Begin(_waiting, _shape, _strides);
        copy.Wait();
        Replace(copy.Weight);
        _waiting.Dispose();
    }

    private void Replace(Tensor numbers)
    {
        using IDisposable guard = no_grad();
        _ = _parameter.set_(numbers);
    }
}
