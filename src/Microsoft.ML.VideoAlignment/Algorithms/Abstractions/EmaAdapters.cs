using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>
/// The exponential moving average of the adapters: after update t, mean = d mean + (1 - d) factor with d = min(decay, (1 + t) / (10 + t)), so that the start
/// soon has no weight (diffusers' EMAModel). Training continues with the factors themselves.
/// </summary>
internal sealed class EmaAdapters : IResumable, IDisposable
{
    private readonly LoraAdapters _adapters;
    private readonly double _decay;
    private readonly List<Tensor> _mean = [];
    private int _updates;
    private bool _inPlace;

    /// <summary>Begins with the factors as they are.</summary>
    /// <param name="adapters">The adapters.</param>
    /// <param name="decay">The largest decay, in [0, 1).</param>
    public EmaAdapters(LoraAdapters adapters, double decay)
    {
        (_adapters, _decay) = (adapters, decay);
        using IDisposable guard = no_grad();
        _mean.AddRange(adapters.Parameters.Select(factor => factor.detach().clone().DetachFromDisposeScope()));
    }

    /// <summary>The average, in the order of <see cref="LoraAdapters.Parameters"/>, whether it is in the factors' place or not.</summary>
    public IReadOnlyList<Tensor> Averages => _inPlace ? [.. _adapters.Parameters] : _mean;

    /// <summary>The factors that the optimizer updates, in the same order, whether the average is in their place or not.</summary>
    public IReadOnlyList<Tensor> Trained => _inPlace ? _mean : [.. _adapters.Parameters];

    /// <summary>Whether the average and the factors are swapped, so that the average is in effect; setting it to its own value does nothing.</summary>
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

    /// <summary>Includes the factors in the average; call after each update.</summary>
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
        foreach ((int index, Tensor mean) in Averages.Index())
        {
            state.Write($"mean/{index}", mean);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Call while the average is not in the factors' place. Where the run had no average so far, it begins with the factors as they are.</remarks>
    public void Load(StateReader state)
    {
        using IDisposable guard = no_grad();
        _updates = state.IsEmpty ? 0 : (int)state.ReadInteger("updates", maximum: int.MaxValue);
        foreach ((int index, (Tensor mean, Tensor factor)) in _mean.Zip(_adapters.Parameters).Index())
        {
            using Tensor source = state.IsEmpty ? factor.alias() : state.ReadTensorLike($"mean/{index}", mean);
            mean.copy_(source);
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
