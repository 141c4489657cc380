using System.Collections.Concurrent;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Tables of a run that the host computes, such as matrices that resize: made once, and again on the device when they are needed.</summary>
internal sealed class RunTables : IDisposable
{
    private readonly ConcurrentDictionary<(object Key, ScalarType Dtype, string Device), Lazy<Tensor>> _tables = new();

    /// <summary>Gives a table of the running run; outside of runs, and of tensors that only have shapes, it is made each time.</summary>
    /// <param name="key">What the numbers follow from, a value with equality.</param>
    /// <param name="dtype">Element type of the table.</param>
    /// <param name="device">Where the table is needed.</param>
    /// <param name="make">Computes the numbers, in the CPU's memory.</param>
    /// <returns>A tensor that the caller disposes; what it shows may belong to the run.</returns>
    public static Tensor Get(object key, ScalarType dtype, Device device, Func<Tensor> make) =>
        device.type != DeviceType.META && RunContext.Current.Tables is { } tables
            ? tables._tables.GetOrAdd((key, dtype, device.ToString()), _ => new Lazy<Tensor>(() => Make(dtype, device, make).DetachFromDisposeScope())).Value.alias()
            : Make(dtype, device, make);

    public void Dispose()
    {
        foreach (Lazy<Tensor> table in _tables.Values.Where(static table => table.IsValueCreated))
        {
            table.Value.Dispose();
        }

        _tables.Clear();
    }

    private static Tensor Make(ScalarType dtype, Device device, Func<Tensor> make)
    {
        // What is made in inference mode, where validation videos are, could not take part in a graph later.
        using IDisposable mode = inference_mode(false);
        using IDisposable guard = no_grad();
        using Tensor made = make();
        return DeviceTable.Upload(made.to(dtype, copy: true), device);
    }
}
