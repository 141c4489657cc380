using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>VideoCrafter's UNet as a denoiser, told frames per second.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class VideoCrafterDenoiser(VideoCrafterUNet unet, int spatialFactor) : IDenoiser
{
    public string Name => "unet";

    public nn.Module Network => unet;

    public long[] LatentShape(int batch, VideoSize size) =>
        [batch, unet.Config.InChannels, size.Frames, size.Height / spatialFactor, size.Width / spatialFactor];

    public Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor time = tensor(timestep, dtype: ScalarType.Float64, device: latents.device);
        return unet.Forward(latents, time, condition.Text, condition.Scalars!);
    }

    public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using Tensor each = tensor(timesteps.ToArray(), device: latents.device);
        return unet.Forward(latents, each, condition.Text, condition.Scalars!);
    }

    public IDenoiser OnMeta() => new VideoCrafterDenoiser(new VideoCrafterUNet(unet.Config, Placement.MetaLike(unet)), spatialFactor);

    public void MoveTo(Device device) => unet.to(device);

    public void Dispose() => unet.Dispose();
}
