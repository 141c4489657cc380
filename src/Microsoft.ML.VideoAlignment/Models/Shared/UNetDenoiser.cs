using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>A UNet as a denoiser, whose latents have a frame for each frame of the video. A family adds how its network is called.</summary>
/// <typeparam name="TNetwork">The family's network.</typeparam>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="channels">Channels of the latents.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal abstract class UNetDenoiser<TNetwork>(TNetwork unet, long channels, int spatialFactor) : IDenoiser
    where TNetwork : nn.Module
{
    public string Name => "unet";

    public nn.Module Network => unet;

    /// <summary>The network; it belongs to this.</summary>
    protected TNetwork UNet => unet;

    /// <summary>Pixels per latent along each side.</summary>
    protected int SpatialFactor => spatialFactor;

    public long[] LatentShape(int batch, VideoSize size) => [batch, channels, size.Frames, size.Height / spatialFactor, size.Width / spatialFactor];

    public Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor one = ScalarOps.Full([], timestep, dtype: ScalarType.Float64, device: latents.device);
        return Evaluate(latents, one, condition);
    }

    public virtual Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using Tensor each = DeviceTable.Create([.. timesteps], latents.device);
        return Evaluate(latents, each, condition);
    }

    public abstract IDenoiser OnMeta();

    public void MoveTo(Device device) => unet.to(device);

    public void Dispose() => unet.Dispose();

    /// <summary>Evaluates the network.</summary>
    /// <param name="latents">x_t [B, c, T, h, w].</param>
    /// <param name="timesteps">float64 [] or [B].</param>
    /// <param name="condition">What the network is told, B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    protected abstract Tensor Evaluate(Tensor latents, Tensor timesteps, Condition condition);
}
