using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The transformer of Wan as a denoiser: one for all timesteps, or one for high noise and one for low (Wan 2.2 A14B). Reference: diffusers,
/// <c>WanPipeline</c> and <c>WanImageToVideoPipeline</c>.
/// </summary>
/// <remarks>
/// Where a condition gives latent frames (Wan 2.2 TI2V 5B), the network sees them at time 0; where it gives channels (image to video), they stand behind the
/// latents' own, and the image encoder's states are read beside the text where the network has a branch for them.
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

    public int ExpertAt(double timestep) => _lowNoise is null || timestep >= _boundary ? 0 : 1;

    /// <summary>The expert that predicts at a timestep; where there is one transformer, that.</summary>
    /// <param name="timestep">t, in steps of the training schedule.</param>
    public WanTransformer ExpertFor(double timestep) => ExpertAt(timestep) == 0 ? _highNoise : _lowNoise!;

    /// <summary>What the network sees: given frames in their place, or the channels of images behind the latents.</summary>
    /// <param name="latents">[B, c, T', h, w].</param>
    /// <param name="condition">B rows.</param>
    /// <returns>[B, C, T', h, w].</returns>
    internal static Tensor NetworkInput(Tensor latents, Condition condition) =>
        condition.FrameMask is not null ? GivenFrames.Insert(latents, condition, edited: false)
        : condition.ImageLatents is { } channels ? cat([latents, channels.to_type(latents.dtype)], dim: 1)
        : latents.alias();

    /// <summary>The times that the network is told: 0 for given frames.</summary>
    /// <param name="timesteps">[R], R = B or 1.</param>
    /// <param name="condition">B rows.</param>
    /// <returns>[R] where nothing is given, else [B, T'].</returns>
    internal static Tensor NetworkTimes(Tensor timesteps, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        return (condition.FrameMask is { } mask ? where(mask.EqualTo(0), zeros_like(timesteps).unsqueeze(1), timesteps.unsqueeze(1)) : timesteps.alias())
            .MoveToOuterDisposeScope();
    }

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
        WanTransformerConfig config = network.Config;
        if (condition.ImageLatents is null && config.InChannels != config.OutChannels)
        {
            throw new ArgumentException(
                $"condition: this network reads {config.InChannels} channels, of which {config.InChannels - config.OutChannels} tell it of an image, and there "
                    + "is none. Give each row an image that its video begins with.",
                nameof(condition));
        }

        // The states of a first and a last image, in turn.
        Tensor? image = config.ImagePositions is null ? condition.ImageStates : condition.ImageStates?.unflatten(1, [2, -1]).flatten(0, 1);
        Tensor x = NetworkInput(latents, condition), times = NetworkTimes(timesteps, condition);
        return network.Forward(x, times, condition.Text, image).MoveToOuterDisposeScope();
    }
}

/// <summary>What a latent stands for.</summary>
/// <param name="Frames">Frames for each latent frame after the first, which is of one.</param>
/// <param name="Pixels">Pixels along each side.</param>
internal sealed record WanLatentFactors(int Frames, int Pixels);
