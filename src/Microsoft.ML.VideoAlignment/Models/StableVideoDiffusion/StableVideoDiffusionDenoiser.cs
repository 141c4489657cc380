using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>Stable Video Diffusion's UNet as a denoiser, given the image's latents beside those of each frame.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class StableVideoDiffusionDenoiser(StableVideoDiffusionUNet unet, int spatialFactor) : IDenoiser
{
    public string Name => "unet";

    public nn.Module Network => unet;

    public long[] LatentShape(int batch, VideoSize size) =>
        [batch, unet.Config.OutChannels, size.Frames, size.Height / spatialFactor, size.Width / spatialFactor];

    public Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = condition.ImageLatents!.unsqueeze(2).expand(-1, -1, latents.shape[2], -1, -1);
        return unet.Forward(cat([latents, image], dim: 1), timestep, condition.Text, condition.Scalars!).MoveToOuterDisposeScope();
    }

    public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
        RowPrediction.Predict(this, latents, timesteps, condition);

    public IDenoiser OnMeta() => new StableVideoDiffusionDenoiser(new StableVideoDiffusionUNet(unet.Config, Placement.MetaLike(unet)), spatialFactor);

    public void MoveTo(Device device) => unet.to(device);

    public void Dispose() => unet.Dispose();
}
