using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;

/// <summary>Stable Video Diffusion's UNet as a denoiser, given the image's latents beside those of each frame.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class StableVideoDiffusionDenoiser(StableVideoDiffusionUNet unet, int spatialFactor)
    : UNetDenoiser<StableVideoDiffusionUNet>(unet, unet.Config.OutChannels, spatialFactor)
{
    public override Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
        RowPrediction.Predict(this, latents, timesteps, condition);

    public override IDenoiser OnMeta() =>
        new StableVideoDiffusionDenoiser(new StableVideoDiffusionUNet(UNet.Config, Placement.MetaLike(UNet)), SpatialFactor);

    protected override Tensor Evaluate(Tensor latents, Tensor timesteps, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = condition.ImageLatents!.unsqueeze(2).expand(-1, -1, latents.shape[2], -1, -1);
        return UNet.Forward(cat([latents, image], dim: 1), timesteps, condition.Text, condition.Scalars!).MoveToOuterDisposeScope();
    }
}
