using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>
/// Rectified flow (Liu et al. 2022, arXiv 2209.03003) as Open-Sora 1.2's <c>RFLOW</c>: x_t = (1 - t/1000) x_0 + t/1000 noise, and the network predicts
/// the velocity v = x_0 - noise. Larger and longer videos spend more steps at high noise (Esser et al. 2024, arXiv 2403.03206, section 5.3.2).
/// </summary>
internal sealed record RectifiedFlow : IScheduler
{
    // Pixels of the video size whose timesteps are not shifted.
    private const double BaseArea = 512 * 512;

    /// <summary>Frames that the reference's autoencoder encodes together, into 5 latent frames: timesteps are shifted by whole chunks.</summary>
    public const int ChunkFrames = 17;
    private const int ChunkLatents = 5;

    public string Name => "RFLOW";

    /// <summary>Length of the training schedule: times run from this to 0.</summary>
    public int TrainTimesteps { get; init; } = 1000;

    /// <summary>Whether timesteps are shifted by the size of the video.</summary>
    public bool ShiftsTimesteps { get; init; }

    /// <summary>Whether timesteps are whole numbers (before they are shifted).</summary>
    public bool RoundsTimesteps { get; init; }

    /// <summary>Reads the reference's keys; absent ones have its defaults.</summary>
    /// <param name="json">The scheduler section of the reference's configuration.</param>
    public static RectifiedFlow FromConfig(JsonElement json)
    {
        var config = new SchedulerConfig(json, nameof(RectifiedFlow));
        return new RectifiedFlow
        {
            TrainTimesteps = config.GetInteger("num_timesteps", 1000, minimum: 1, SchedulerConfig.MaxTrainTimesteps),
            ShiftsTimesteps = config.GetFlag("use_timestep_transform", false),
            RoundsTimesteps = config.GetFlag("use_discrete_timesteps", false),
        };
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The times depend on the size of the video.</exception>
    public ISampler CreateSampler(int steps, double eta = 0) => ShiftsTimesteps
        ? throw new InvalidOperationException("This rectified flow shifts its timesteps by the size of the video; pass the size.")
        : CreateSampler(steps, frames: 1, height: 0, width: 0);

    /// <summary>Creates the sampler of one run for a video of this size.</summary>
    /// <param name="steps">S, at least 1.</param>
    /// <param name="frames">Frames of the video: 1, or at least <see cref="ChunkFrames"/> where timesteps are shifted.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="frameMask">[B, T'], for each latent frame 1 = generate, 0 = keep, between = edit; null: generate all.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no step, or timesteps cannot be shifted for this number of frames.</exception>
    public ISampler CreateSampler(int steps, int frames, double height, double width, Tensor? frameMask = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return new RectifiedFlowSampler(Timesteps(steps, ShiftsTimesteps ? ShiftRatio(frames, height, width) : 1), TrainTimesteps, frameMask);
    }

    /// <summary>
    /// The factor by which timesteps are shifted towards noise: the square root of the pixels over 512 x 512, times that of the latent frames.
    /// </summary>
    /// <param name="frames">Frames of the video.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="width">Pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are 2 to 16 frames: the reference counts whole chunks, here none, and divides 0 by 0.</exception>
    public static double ShiftRatio(int frames, double height, double width)
    {
        if (frames is < 1 or (> 1 and < ChunkFrames))
        {
            throw new ArgumentOutOfRangeException(
                nameof(frames), frames,
                $"Timesteps are shifted by the number of whole chunks of {ChunkFrames} frames: expected 1 frame or at least {ChunkFrames}, got {frames}. "
                + $"The nearest is {NearestFrames(frames)}.");
        }

        double latentFrames = frames == 1 ? 1 : frames / ChunkFrames * ChunkLatents;
        return Math.Sqrt(height * width / BaseArea) * Math.Sqrt(latentFrames);
    }

    /// <summary>The nearest number of frames for which timesteps can be shifted.</summary>
    /// <param name="frames">Any number of frames.</param>
    public static int NearestFrames(int frames) => frames >= ChunkFrames ? frames : 2 * frames <= ChunkFrames + 1 ? 1 : ChunkFrames;

    /// <summary>Noises clean samples: (1 - t/1000) clean + t/1000 noise.</summary>
    /// <param name="clean">x_0 [B, ...].</param>
    /// <param name="noise">Standard normal [B, ...].</param>
    /// <param name="timesteps">[B], from 0 to 1000.</param>
    /// <returns>A fresh tensor [B, ...].</returns>
    public Tensor AddNoise(Tensor clean, Tensor noise, Tensor timesteps)
    {
        using Tensor levels = timesteps.Div(TrainTimesteps);
        return FlowPath.AddNoise(clean, noise, levels);
    }

    /// <summary>The network's input in training: noised samples whose masked frames stay clean.</summary>
    /// <param name="clean">x_0 [B, c, T, h, w].</param>
    /// <param name="noise">Standard normal [B, c, T, h, w].</param>
    /// <param name="timesteps">[B], from 0 to 1000.</param>
    /// <param name="frameMask">[B, T], 0 = stays clean; null: all frames are noised.</param>
    /// <returns>A fresh tensor [B, c, T, h, w].</returns>
    public Tensor TrainingInput(Tensor clean, Tensor noise, Tensor timesteps, Tensor? frameMask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor noisy = AddNoise(clean, noise, timesteps);
        return (frameMask is null ? noisy : where(PerFrame(frameMask), noisy, clean)).MoveToOuterDisposeScope();
    }

    /// <summary>The training loss of each sample: the mean of (velocity - (clean - noise))^2.</summary>
    /// <param name="velocity">The network's output [B, c, T, h, w].</param>
    /// <param name="clean">x_0 [B, c, T, h, w].</param>
    /// <param name="noise">The noise of the input [B, c, T, h, w].</param>
    /// <param name="frameMask">[B, T], 0 = left out of the mean; null: all frames count.</param>
    /// <returns>A fresh tensor [B].</returns>
    public static Tensor Loss(Tensor velocity, Tensor clean, Tensor noise, Tensor? frameMask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frames = (velocity - (clean - noise)).Pow(2).mean([1, 3, 4]); // [B, T]
        Tensor? active = frameMask?.NotEqualTo(0);
        Tensor loss = active is null ? frames.mean([1]) : where(active, frames, zeros_like(frames)).sum([1]) / active.sum([1]);
        return loss.MoveToOuterDisposeScope();
    }

    private double[] Timesteps(int steps, double ratio) =>
        [.. Enumerable.Range(0, steps)
            .Select(i => (1 - ((double)i / steps)) * TrainTimesteps)
            .Select(t => RoundsTimesteps ? Math.Round(t, MidpointRounding.ToEven) : t)
            .Select(t => FlowPath.Shift(t, ratio, TrainTimesteps))];

    // [B, T] -> boolean [B, 1, T, 1, 1].
    private static Tensor PerFrame(Tensor frameMask) => frameMask.NotEqualTo(0).unsqueeze(1).unsqueeze(-1).unsqueeze(-1);
}
