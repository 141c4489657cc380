using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.ModelScope;

/// <summary>ModelScope's UNet as a denoiser.</summary>
/// <param name="unet">The network; it belongs to this.</param>
/// <param name="spatialFactor">Pixels per latent along each side.</param>
internal sealed class ModelScopeDenoiser(ModelScopeUNet unet, int spatialFactor) : IDenoiser
{
    public string Name => "unet";

    public nn.Module Network => unet;

    public long[] LatentShape(int batch, VideoSize size) =>
        [batch, unet.Config.InChannels, size.Frames, size.Height / spatialFactor, size.Width / spatialFactor];

    public Tensor Predict(Tensor latents, double timestep, Condition condition) => unet.Forward(latents, timestep, condition.Text);

    public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition)
    {
        using Tensor each = tensor(timesteps.ToArray(), device: latents.device);
        return unet.Forward(latents, each, condition.Text);
    }

    public IDenoiser OnMeta() => new ModelScopeDenoiser(new ModelScopeUNet(unet.Config, Placement.MetaLike(unet)), spatialFactor);

    public void MoveTo(Device device) => unet.to(device);

    public void Dispose() => unet.Dispose();
}
