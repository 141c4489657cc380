using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// The forward process q(x_t | x_0) of a scheduler file (Ho et al. 2020, arXiv 2006.11239, eq. 4), for losses that noise clean samples: diffusers'
/// DDPMScheduler.add_noise and get_velocity, and the signal-to-noise ratio abar/(1 - abar).
/// </summary>
/// <param name="schedule">abar.</param>
/// <param name="scales">What the clean sample is multiplied by at each timestep (lvdm's use_scale); null: nothing.</param>
internal sealed class ForwardProcess(NoiseSchedule schedule, IReadOnlyList<double>? scales = null)
{
    public NoiseSchedule Schedule { get; } = schedule;

    /// <summary>The schedule of any scheduler file; an exact zero of abar stays.</summary>
    public static ForwardProcess FromConfig(JsonElement json) => new(NoiseSchedule.FromConfig(new SchedulerConfig(json, nameof(ForwardProcess))));

    /// <summary>sqrt(abar) scale x_0 + sqrt(1 - abar) noise. clean, noise: [B, ...]; timesteps: one of each sample, in [0, train).</summary>
    public Tensor AddNoise(Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor signal, Tensor deviation) = Weights(clean, timesteps, scales);
        return (signal * clean).Add(deviation * noise).MoveToOuterDisposeScope();
    }

    /// <summary>sqrt(abar) noise - sqrt(1 - abar) x_0: what a v-prediction network is trained on. Shapes as <see cref="AddNoise"/>.</summary>
    public Tensor Velocity(Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor signal, Tensor deviation) = Weights(clean, timesteps);
        return ((signal * noise) - (deviation * clean)).MoveToOuterDisposeScope();
    }

    /// <summary>What a network of this kind is to say about the noised sample. Shapes as <see cref="AddNoise"/>.</summary>
    public Tensor Target(PredictionType type, Tensor clean, Tensor noise, ReadOnlySpan<long> timesteps) => type switch
    {
        PredictionType.Epsilon => noise.alias(),
        PredictionType.Sample => clean.alias(),
        _ => Velocity(clean, noise, timesteps),
    };

    /// <summary>abar / (1 - abar) of one timestep; 0 at zero terminal signal.</summary>
    public double SignalToNoise(long timestep)
    {
        double a = AlphaCumprod(timestep);
        return a / (1 - a);
    }

    private double AlphaCumprod(long timestep) => timestep >= 0 && timestep < Schedule.Length
        ? Schedule.AlphasCumprod[(int)timestep]
        : throw new ArgumentOutOfRangeException(nameof(timestep), timestep, $"The training schedule has the timesteps 0 to {Schedule.Length - 1}.");

    /// <summary>sqrt(abar) and sqrt(1 - abar), each [B, 1, ...] in the sample's dtype and on its device.</summary>
    private (Tensor Signal, Tensor Deviation) Weights(Tensor clean, ReadOnlySpan<long> timesteps, IReadOnlyList<double>? scaled = null)
    {
        if (clean.dim() == 0 || clean.shape[0] != timesteps.Length)
        {
            throw new ArgumentException($"Expected one timestep for each of {(clean.dim() == 0 ? 0 : clean.shape[0])} samples, got {timesteps.Length}.", nameof(timesteps));
        }

        var signal = new double[timesteps.Length];
        var deviation = new double[timesteps.Length];
        for (int i = 0; i < timesteps.Length; i++)
        {
            double a = AlphaCumprod(timesteps[i]);
            (signal[i], deviation[i]) = (Math.Sqrt(a) * (scaled?[(int)timesteps[i]] ?? 1), Math.Sqrt(1 - a));
        }

        long[] shape = [timesteps.Length, .. Enumerable.Repeat(1L, (int)clean.dim() - 1)];
        Tensor Create(double[] values) => tensor(values, dtype: clean.dtype, device: clean.device).reshape(shape);
        return (Create(signal), Create(deviation));
    }
}
