using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Standard normal noise with one generator per row, so that a row's video depends on its own seed only: not on the batch it is in, and not on the
/// device, since numbers are drawn on the CPU and moved.
/// </summary>
internal sealed class SeededNoise : IDisposable
{
    private readonly Generator[] _rows;
    private readonly Device _device;

    /// <param name="seeds">One seed a row.</param>
    /// <param name="device">Where the noise is needed.</param>
    public SeededNoise(IReadOnlyList<ulong> seeds, Device device)
    {
        _rows = [.. seeds.Select(seed => new Generator(seed))];
        _device = device;
    }

    /// <summary>Draws the next numbers of every row.</summary>
    /// <param name="shape">[B, ...], B = number of seeds.</param>
    /// <returns>float32 of that shape, on the device.</returns>
    public Tensor Next(IReadOnlyList<long> shape)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] row = [1, .. shape.Skip(1)];
        Tensor[] rows = [.. _rows.Select(generator => randn(row, dtype: ScalarType.Float32, generator: generator))];
        return DeviceTable.Upload(cat(rows), _device).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Generator row in _rows)
        {
            row.Dispose();
        }
    }
}
