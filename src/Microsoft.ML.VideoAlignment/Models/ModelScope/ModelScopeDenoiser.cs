using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>ModelScope's UNet as a denoiser.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class ModelScopeDenoiser(ModelScopeUNet unet, int spatialFactor)
    : UNetDenoiser<ModelScopeUNet>(unet, unet.Config.InChannels, spatialFactor)
{
    public override IDenoiser OnMeta() => new ModelScopeDenoiser(new ModelScopeUNet(UNet.Config, Placement.MetaLike(UNet)), SpatialFactor);

    protected override Tensor Evaluate(Tensor latents, Tensor timesteps, Condition condition) => UNet.Forward(latents, timesteps, condition.Text);
}
