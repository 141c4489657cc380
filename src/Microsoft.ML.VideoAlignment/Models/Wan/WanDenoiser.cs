using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The transformer of Wan as a denoiser: one for all timesteps, or one for high noise and one for low (Wan 2.2 A14B). Reference: diffusers,
/// <c>WanPipeline</c> and <c>WanImageToVideoPipeline</c>.
/// </summary>
/// <remarks>
/// Where a condition gives latent frames (Wan 2.2 TI2V 5B), the network sees them at time 0; where it gives channels (image to video), they stand behind the
/// latents' own.
/// </remarks>
internal sealed class WanDenoiser : IDenoiser
{
    private readonly WanTransformer _highNoise;
    private readonly WanTransformer? _lowNoise;
    private readonly double _boundary;
    private readonly WanLatentFactors _factors;

    /// <summary>Makes the denoiser of one transformer.</summary>
    /// <param name="network">The network; it belongs to this.</param>
    /// <param name="factors">Frames and pixels for each latent.</param>
    public WanDenoiser(WanTransformer network, WanLatentFactors factors)
    {
        (_highNoise, _factors) = (network, factors);
        Network = network;
    }

    /// <summary>Makes the denoiser of two experts.</summary>
    /// <param name="experts">The networks; they belong to this.</param>
    /// <param name="boundary">The last timestep of the expert for high noise: <c>boundary_ratio</c> times the steps of the training schedule.</param>
    /// <param name="factors">Frames and pixels for each latent.</param>
    public WanDenoiser(WanExperts experts, double boundary, WanLatentFactors factors)
    {
        (_highNoise, _lowNoise, _boundary, _factors) = (experts.HighNoise, experts.LowNoise, boundary, factors);
        Network = experts;
    }

    public string Name => "transformer";

    public nn.Module Network { get; }

    public long[] LatentShape(int batch, VideoSize size) =>
        [batch, _highNoise.Config.OutChannels, ((size.Frames - 1) / _factors.Frames) + 1, size.Height / _factors.Pixels, size.Width / _factors.Pixels];

    public Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor one = ScalarOps.Full([1], timestep, dtype: ScalarType.Float64, device: latents.device);
        return Evaluate(ExpertFor(timestep), latents, one, condition);
    }

    public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        if (timesteps.Select(ExpertFor).Distinct().Count() > 1)
        {
            return RowPrediction.Predict(this, latents, timesteps, condition);
        }

        using Tensor each = DeviceTable.Create([.. timesteps], latents.device);
        return Evaluate(ExpertFor(timesteps[0]), latents, each, condition);
    }

    /// <summary>The expert that predicts at a timestep; where there is one transformer, that.</summary>
    /// <param name="timestep">t, in steps of the training schedule.</param>
    public WanTransformer ExpertFor(double timestep) => _lowNoise is null || timestep >= _boundary ? _highNoise : _lowNoise;

    public IDenoiser OnMeta()
    {
        WanTransformer high = OnMeta(_highNoise);
        return _lowNoise is null ? new WanDenoiser(high, _factors) : new WanDenoiser(new WanExperts(high, OnMeta(_lowNoise)), _boundary, _factors);
    }

    public void MoveTo(Device device) => Network.to(device);

    public void Dispose() => Network.Dispose();

    private static WanTransformer OnMeta(WanTransformer network) => new(network.Config, Placement.MetaLike(network));

    // timesteps: [1] or [B].
    private static Tensor Evaluate(WanTransformer network, Tensor latents, Tensor timesteps, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = latents, times = timesteps;
        if (condition.FrameMask is { } mask)
        {
            x = GivenFrames.Insert(latents, condition, edited: false);
            times = where(mask.EqualTo(0), zeros_like(times).unsqueeze(1), times.unsqueeze(1)); // [B, T']
        }
        else if (condition.ImageLatents is { } channels)
        {
            x = cat([latents, channels.to_type(latents.dtype)], dim: 1);
        }

        return network.Forward(x, times, condition.Text).MoveToOuterDisposeScope();
    }
}

/// <summary>What a latent stands for.</summary>
/// <param name="Frames">Frames for each latent frame after the first, which is of one.</param>
/// <param name="Pixels">Pixels along each side.</param>
internal sealed record WanLatentFactors(int Frames, int Pixels);
