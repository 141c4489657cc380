using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>
/// The exponential moving average of the adapters: after update t, mean = d mean + (1 - d) factor with d = min(decay, (1 + t) / (10 + t)), so that the
/// start is soon forgotten (diffusers' EMAModel). Training goes on with the factors themselves.
/// </summary>
internal sealed class EmaAdapters : IResumable, IDisposable
{
    private readonly LoraAdapters _adapters;
    private readonly double _decay;
    private readonly List<Tensor> _mean = [];
    private int _updates;
    private bool _inPlace;

    public EmaAdapters(LoraAdapters adapters, double decay)
    {
        (_adapters, _decay) = (adapters, decay);
        using IDisposable guard = no_grad();
        _mean.AddRange(adapters.Parameters.Select(factor => factor.detach().clone().DetachFromDisposeScope()));
    }

    /// <summary>The average, in the order of <see cref="LoraAdapters.Parameters"/>, wherever it stands.</summary>
    public IReadOnlyList<Tensor> Returned => _inPlace ? [.. _adapters.Parameters] : _mean;

    /// <summary>What the optimizer moves, in the same order, wherever it stands.</summary>
    public IReadOnlyList<Tensor> Moved => _inPlace ? _mean : [.. _adapters.Parameters];

    /// <summary>Whether the average stands in the factors' place, and the factors in its own; setting it to what it is changes nothing.</summary>
    public bool InPlace
    {
        get => _inPlace;
        set
        {
            if (value != _inPlace)
            {
                Swap();
                _inPlace = value;
            }
        }
    }

    /// <summary>To be called after each update.</summary>
    public void Update()
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _updates++;
        double decay = Math.Min(_decay, (1.0 + _updates) / (10.0 + _updates));
        foreach ((Tensor mean, Tensor factor) in _mean.Zip(_adapters.Parameters))
        {
            mean.MulInPlace(decay).AddInPlace(factor, alpha: 1 - decay);
        }
    }

    public void Save(StateWriter state)
    {
        state.Write("updates", _updates);
        foreach ((int index, Tensor mean) in Returned.Index())
        {
            state.Write($"mean/{index}", mean);
        }
    }

    /// <inheritdoc/>
    /// <remarks>To be called while the average is not in the factors' place. Where the run had no average so far, it begins with the factors as they are.</remarks>
    public void Load(StateReader state)
    {
        using IDisposable guard = no_grad();
        _updates = state.IsEmpty ? 0 : (int)state.Integer("updates", maximum: int.MaxValue);
        foreach ((int index, (Tensor mean, Tensor factor)) in _mean.Zip(_adapters.Parameters).Index())
        {
            using Tensor from = state.IsEmpty ? factor.alias() : state.TensorLike($"mean/{index}", mean);
            mean.copy_(from);
        }
    }

    public void Dispose() => _mean.ForEach(mean => mean.Dispose());

    private void Swap()
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((Tensor mean, Tensor factor) in _mean.Zip(_adapters.Parameters))
        {
            Tensor kept = factor.detach().clone();
            factor.copy_(mean);
            mean.copy_(kept);
        }
    }
}
