using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>
/// The schedule that a VideoCrafter checkpoint repeats as buffers at its top: <c>betas</c>, <c>alphas_cumprod</c> and ten more, and <c>scale_arr</c>. The
/// sampler makes its tables from the configuration; the file's must be the same, else file and configuration are not of one model.
/// </summary>
/// <remarks>Reference: lvdm, <c>DDPM.register_schedule</c>.</remarks>
internal sealed class VideoCrafterScheduleBuffers : nn.Module
{
    /// <summary>Of a table's largest value: above the rounding of a file saved in half precision (5e-4), below any other published schedule (1e-1).</summary>
    private const double Tolerance = 2e-3;

    private readonly Dictionary<string, double[]> _tables;

    /// <summary>Makes the buffers, not filled.</summary>
    /// <param name="scheduler">The schedule as the configuration has it.</param>
    /// <param name="device">Where the buffers are.</param>
    public VideoCrafterScheduleBuffers(VideoCrafterDdimScheduler scheduler, Device device)
        : base(nameof(VideoCrafterScheduleBuffers))
    {
        _tables = Tables(scheduler);
        foreach ((string name, double[] table) in _tables)
        {
            register_buffer(name, empty(table.Length, dtype: ScalarType.Float32, device: device).DetachFromDisposeScope());
        }
    }

    /// <summary>Compares what the file had with what the configuration says.</summary>
    /// <param name="location">The file, for the message.</param>
    /// <exception cref="WeightFileException">A table differs.</exception>
    public void RequireSame(string location)
    {
        foreach ((string name, Tensor buffer) in named_buffers())
        {
            using Tensor held = buffer.to(ScalarType.Float64, CPU);
            double[] table = _tables[name], file = held.data<double>().ToArray();
            double allowed = Tolerance * table.Max(Math.Abs);
            int at = Array.FindIndex(table.Zip(file, (a, b) => Math.Abs(a - b)).ToArray(), difference => !(difference <= allowed));
            if (at >= 0)
            {
                throw new WeightFileException(location, $"the schedule in the checkpoint is not the configuration's: {name}[{at}] is {file[at]:g6}, "
                    + $"expected {table[at]:g6}. " +
                    "Give the config.yaml that belongs to this checkpoint (linear_start, linear_end, timesteps, scale_a, scale_b, mid_step).");
            }
        }
    }

    // Ho et al. 2020 (arXiv 2006.11239), eq. 4 and 7, in float64 as the reference computes them.
    private static Dictionary<string, double[]> Tables(VideoCrafterDdimScheduler scheduler)
    {
        double[] betas = [.. scheduler.Betas];
        double[] a = new double[betas.Length], previous = new double[betas.Length];
        double product = 1;
        for (int t = 0; t < betas.Length; t++)
        {
            (previous[t], product) = (product, product * (1 - betas[t]));
            a[t] = product;
        }

        double[] Create(Func<int, double> value) => [.. Enumerable.Range(0, betas.Length).Select(value)];
        double[] variance = Create(t => betas[t] * (1 - previous[t]) / (1 - a[t]));
        var tables = new Dictionary<string, double[]>(StringComparer.Ordinal)
        {
            ["betas"] = betas,
            ["alphas_cumprod"] = a,
            ["alphas_cumprod_prev"] = previous,
            ["sqrt_alphas_cumprod"] = Create(t => Math.Sqrt(a[t])),
            ["sqrt_one_minus_alphas_cumprod"] = Create(t => Math.Sqrt(1 - a[t])),
            ["log_one_minus_alphas_cumprod"] = Create(t => Math.Log(1 - a[t])),
            ["sqrt_recip_alphas_cumprod"] = Create(t => Math.Sqrt(1 / a[t])),
            ["sqrt_recipm1_alphas_cumprod"] = Create(t => Math.Sqrt((1 / a[t]) - 1)),
            ["posterior_variance"] = variance,
            ["posterior_log_variance_clipped"] = Create(t => Math.Log(Math.Max(variance[t], 1e-20))), // eq. 7 is 0 at t = 0
            ["posterior_mean_coef1"] = Create(t => betas[t] * Math.Sqrt(previous[t]) / (1 - a[t])),
            ["posterior_mean_coef2"] = Create(t => (1 - previous[t]) * Math.Sqrt(1 - betas[t]) / (1 - a[t])),
        };
        if (scheduler.ScaleTable is { } scales)
        {
            tables["scale_arr"] = [.. scales];
        }

        return tables;
    }
}
