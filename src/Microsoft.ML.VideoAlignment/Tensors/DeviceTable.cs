namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Numbers that the host knows, on the device of the tensors that they are used with. The host does not wait until they are there.</summary>
/// <remarks>
/// From memory that is not pinned the CUDA runtime takes the numbers before the call returns, so the source may go at once.
/// </remarks>
internal static class DeviceTable
{
    /// <summary>Makes a table of one axis.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="device">Where the table is needed.</param>
    /// <returns>int64 [n].</returns>
    public static Tensor Create(long[] values, Device device) => Upload(tensor(values), device);

    /// <inheritdoc cref="Create(long[], Device)"/>
    /// <returns>Booleans [n].</returns>
    public static Tensor Create(bool[] values, Device device) => Upload(tensor(values), device);

    /// <summary>Makes a table of one axis.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="device">Where the table is needed.</param>
    /// <param name="dtype">Element type; null: float64.</param>
    /// <returns>[n].</returns>
    public static Tensor Create(double[] values, Device device, ScalarType? dtype = null) => Upload(tensor(values, dtype: dtype ?? ScalarType.Float64), device);

    /// <summary>Makes a table of one axis.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="device">Where the table is needed.</param>
    /// <param name="dtype">Element type; null: float32.</param>
    /// <returns>[n].</returns>
    public static Tensor Create(float[] values, Device device, ScalarType? dtype = null) => Upload(tensor(values, dtype: dtype ?? ScalarType.Float32), device);

    /// <summary>Moves a tensor that was made in the CPU's memory.</summary>
    /// <param name="made">Any shape; it is disposed.</param>
    /// <param name="device">Where it is needed.</param>
    /// <returns>A fresh tensor in the caller's scope.</returns>
    public static Tensor Upload(Tensor made, Device device)
    {
        using Tensor source = made;
        return source.device_type == device.type ? source.alias() : source.to(device, non_blocking: true);
    }

    /// <summary>Gives a table that the run makes once; outside of runs, and where there are only shapes, it is made each time.</summary>
    /// <param name="key">What the numbers follow from, a value with equality.</param>
    /// <param name="dtype">Element type of the table.</param>
    /// <param name="device">Where the table is needed.</param>
    /// <param name="compute">Computes the numbers, in the CPU's memory.</param>
    /// <returns>A tensor that the caller disposes and does not change.</returns>
    public static Tensor ForRun(object key, ScalarType dtype, Device device, Func<Tensor> compute)
    {
        return device.type != DeviceType.META && RunContext.Current.Tables is { } tables ? tables.Get(key, dtype, device, Make) : Make();

        Tensor Make()
        {
            // What is made in inference mode, where validation videos are, could not take part in a graph later.
            using IDisposable mode = inference_mode(false);
            using IDisposable guard = no_grad();
            using Tensor computed = compute();
            return Upload(computed.to(dtype, copy: true), device);
        }
    }
}
