using System.Collections.Concurrent;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Tables of a run that the host computes, such as matrices that resize, on the device: each is made once.</summary>
internal sealed class RunTables : IDisposable
{
    private readonly ConcurrentDictionary<(object Key, ScalarType Dtype, string Device), Lazy<Tensor>> _tables = new();

    /// <summary>Gives a table, made at its first use.</summary>
    /// <param name="key">What the numbers follow from, a value with equality.</param>
    /// <param name="dtype">Element type of the table.</param>
    /// <param name="device">Where the table is.</param>
    /// <param name="make">Makes the table there.</param>
    /// <returns>A handle that the caller disposes; what it shows belongs to the run.</returns>
    public Tensor Get(object key, ScalarType dtype, Device device, Func<Tensor> make) =>
        _tables.GetOrAdd((key, dtype, device.ToString()), _ => new Lazy<Tensor>(() => make().DetachFromDisposeScope())).Value.alias();

    public void Dispose()
    {
        foreach (Lazy<Tensor> table in _tables.Values.Where(static table => table.IsValueCreated))
        {
            table.Value.Dispose();
        }

        _tables.Clear();
    }
}
