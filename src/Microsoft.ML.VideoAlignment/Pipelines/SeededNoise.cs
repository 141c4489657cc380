namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// Standard normal noise with one generator per row, so that a row's video depends on its own seed only: not on the batch it is in, and not on the
/// device, since numbers are drawn on the CPU and moved.
/// </summary>
internal sealed class SeededNoise : IDisposable
{
    private readonly Generator[] _rows;
    private readonly long[] _rowShape;
    private readonly Device _device;

    /// <param name="seeds">One seed a row.</param>
    /// <param name="shape">Shape of a batch, [B, ...], B = number of seeds.</param>
    /// <param name="device">Where the noise is needed.</param>
    public SeededNoise(IReadOnlyList<ulong> seeds, IReadOnlyList<long> shape, Device device)
    {
        _rows = [.. seeds.Select(seed => new Generator(seed))];
        _rowShape = [1, .. shape.Skip(1)];
        _device = device;
    }

    /// <summary>The next draw of every row, [B, ...] float32.</summary>
    public Tensor Next()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] rows = [.. _rows.Select(generator => randn(_rowShape, dtype: ScalarType.Float32, generator: generator))];
        return cat(rows).to(_device).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Generator row in _rows)
        {
            row.Dispose();
        }
    }
}
