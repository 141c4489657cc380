using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// Random weights that keep numbers in range: products keep their input's scale, norms are the identity, and decoders make images of low contrast about
/// gray, so that nothing is cut at black or white.
/// </summary>
/// <remarks>
/// libtorch's generators that TorchSharp makes draw on the CPU alone. Weights on another device are cut from <see cref="PoolSize"/> drawn numbers, each from
/// another place, since a billion drawn and copied numbers would take longer than a training step.
/// </remarks>
/// <param name="seed">The seed of the numbers.</param>
/// <param name="filled">False: weights stay whatever was in memory.</param>
internal sealed class UntrainedWeights(int seed, bool filled) : IDisposable
{
    private const double Contrast = 0.15;

    // A prime, so that no axis of a weight repeats with it.
    private const long PoolSize = 16_777_213;

    private readonly Generator _generator = new(unchecked((ulong)seed));
    private readonly System.Random _places = new(seed);
    private Tensor? _pool;

    /// <summary>Fills every parameter and buffer.</summary>
    /// <typeparam name="T">The network's class.</typeparam>
    /// <param name="network">The network.</param>
    /// <returns>The same network.</returns>
    public T Fill<T>(T network)
        where T : nn.Module
    {
        if (!filled)
        {
            return network;
        }

        using IDisposable guard = no_grad();
        Dictionary<string, Tensor> stored = network.state_dict();
        foreach ((string name, Tensor weight) in stored)
        {
            using DisposeScope scope = NewDisposeScope();
            if (weight.dtype == ScalarType.Int8)
            {
                (Tensor whole, Tensor scale) = ChannelQuantization.Quantize(Value(name, weight.shape, weight.device));
                weight.copy_(whole);
                stored[name + ChannelQuantization.ScaleSuffix].copy_(scale);
            }
            else if (weight.is_floating_point() && !stored.ContainsKey(Quantized(name)))
            {
                weight.copy_(Value(name, weight.shape, weight.device));
            }
        }

        return network;
    }

    public void Dispose()
    {
        _pool?.Dispose();
        _generator.Dispose();
    }

    // The weight that a tensor of this name would hold the scales of; else a name that nothing has.
    private static string Quantized(string name) =>
        name.EndsWith($"weight{ChannelQuantization.ScaleSuffix}", StringComparison.Ordinal) ? name[..^ChannelQuantization.ScaleSuffix.Length] : "";

    private Tensor Value(string name, long[] shape, Device device)
    {
        string last = name[(name.LastIndexOf('.') + 1)..];
        if (last == "freqs")
        {
            return pow(10000, ScalarOps.Range(shape[0], dtype: ScalarType.Float64).Div(-shape[0])); // of rotary positions
        }

        if (last is "scale" or "shift")
        {
            return ScalarOps.Full(shape, last == "scale" ? 1 : 0); // of latents
        }

        double fan = shape.Length > 1 ? shape.Skip(1).Aggregate(1L, (product, size) => product * size) : 1;
        double spread = shape.Length > 1 ? 1 / Math.Sqrt(fan) : 0.02;
        Tensor drawn = Normal(shape, device).Mul(spread);
        bool gain = shape.Length == 1 && last == "weight";
        bool pixels = name.EndsWith("decoder.conv_out.weight", StringComparison.Ordinal)
            || name.EndsWith("decoder.time_conv_out.weight", StringComparison.Ordinal);
        return gain ? drawn.Add(1) : pixels ? drawn.Mul(Contrast) : drawn;
    }

    private Tensor Normal(long[] shape, Device device)
    {
        if (device.type == DeviceType.CPU)
        {
            return randn(shape, dtype: ScalarType.Float32, generator: _generator);
        }

        _pool ??= randn([PoolSize], dtype: ScalarType.Float32, generator: _generator).to(device).DetachFromDisposeScope();
        long count = shape.Aggregate(1L, (product, size) => product * size), start = _places.NextInt64(PoolSize);
        return _pool.repeat([((start + count) / PoolSize) + 1]).narrow(0, start, count).view(shape);
    }
}
