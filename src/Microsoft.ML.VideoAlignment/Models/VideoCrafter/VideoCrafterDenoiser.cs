using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.VideoCrafter;

/// <summary>VideoCrafter's UNet as a denoiser, told frames per second.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class VideoCrafterDenoiser(VideoCrafterUNet unet, int spatialFactor)
    : UNetDenoiser<VideoCrafterUNet>(unet, unet.Config.InChannels, spatialFactor)
{
    public override IDenoiser OnMeta() => new VideoCrafterDenoiser(new VideoCrafterUNet(UNet.Config, Placement.MetaLike(UNet)), SpatialFactor);

    protected override Tensor Evaluate(Tensor latents, Tensor timesteps, Condition condition) =>
        UNet.Forward(latents, timesteps, condition.Text, condition.Scalars!);
}
