using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The forward process q(x_t | x_0) of a scheduler file (Ho et al. 2020, arXiv 2006.11239, eq. 4), for losses that noise clean samples: diffusers'
/// DDPMScheduler.add_noise and get_velocity, and the signal-to-noise ratio abar/(1 - abar).
/// </summary>
/// <param name="schedule">abar by training timestep.</param>
/// <param name="scales">Factor of the clean sample at each training timestep (lvdm's use_scale); null: 1.</param>
internal sealed class ForwardProcess(NoiseSchedule schedule, IReadOnlyList<double>? scales = null)
{
    public NoiseSchedule Schedule { get; } = schedule;

    /// <summary>Reads the schedule of any scheduler file; an exact zero of abar stays.</summary>
    /// <param name="json">The content of a scheduler_config.json.</param>
    public static ForwardProcess FromConfig(JsonElement json) => new(NoiseSchedule.FromConfig(new SchedulerConfig(json, nameof(ForwardProcess))));

    /// <summary>Noises clean samples: sqrt(abar) scale x_0 + sqrt(1 - abar) noise.</summary>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">Standard normal [B, ...].</param>
    /// <param name="timesteps">B training timesteps, each in [0, train).</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    public Tensor AddNoise(Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor signal, Tensor deviation) = Weights(clean, timesteps, scales);
        return (signal * clean).Add(deviation * noise).MoveToOuterDisposeScope();
    }

    /// <summary>The target of a v-prediction network: sqrt(abar) noise - sqrt(1 - abar) x_0.</summary>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">The noise of the noised sample [B, ...].</param>
    /// <param name="timesteps">B training timesteps, each in [0, train).</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    public Tensor Velocity(Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor signal, Tensor deviation) = Weights(clean, timesteps);
        return ((signal * noise) - (deviation * clean)).MoveToOuterDisposeScope();
    }

    /// <summary>The output that a network is trained to give for the noised sample.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">The noise of the noised sample [B, ...].</param>
    /// <param name="timesteps">B training timesteps, each in [0, train).</param>
    /// <returns>A fresh tensor or an alias [B, ...].</returns>
    public Tensor Target(PredictionType type, Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps) => type switch
    {
        PredictionType.Epsilon => noise.alias(),
        PredictionType.Sample => clean.alias(),
        PredictionType.Flow => noise - clean,
        _ => Velocity(clean, noise, timesteps),
    };

    /// <summary>The signal-to-noise ratio abar / (1 - abar) of one timestep; 0 at zero terminal signal.</summary>
    /// <param name="timestep">Training timestep, in [0, train).</param>
    public double SignalToNoise(long timestep)
    {
        double a = AlphaCumprod(timestep);
        return a / (1 - a);
    }

    private double AlphaCumprod(long timestep) => timestep >= 0 && timestep < Schedule.Length
        ? Schedule.AlphasCumprod[(int)timestep]
        : throw new ArgumentOutOfRangeException(nameof(timestep), timestep, $"The training schedule has the timesteps 0 to {Schedule.Length - 1}.");

    // sqrt(abar) and sqrt(1 - abar), each [B, 1, ...] in the sample's dtype and on its device.
    private (Tensor Signal, Tensor Deviation) Weights(Tensor clean, ReadOnlySpan<long> timesteps, IReadOnlyList<double>? scaled = null)
    {
        if (clean.dim() == 0 || clean.shape[0] != timesteps.Length)
        {
            throw new ArgumentException(
                $"Expected one timestep for each of {(clean.dim() == 0 ? 0 : clean.shape[0])} samples, got {timesteps.Length}.", nameof(timesteps));
        }

        var signal = new double[timesteps.Length];
        var deviation = new double[timesteps.Length];
        for (int i = 0; i < timesteps.Length; i++)
        {
            double a = AlphaCumprod(timesteps[i]);
            (signal[i], deviation[i]) = (Math.Sqrt(a) * (scaled?[(int)timesteps[i]] ?? 1), Math.Sqrt(1 - a));
        }

        long[] shape = [timesteps.Length, .. Enumerable.Repeat(1L, (int)clean.dim() - 1)];
        Tensor Create(double[] values) => DeviceTable.Create(values, clean.device, clean.dtype).reshape(shape);
        return (Create(signal), Create(deviation));
    }
}
