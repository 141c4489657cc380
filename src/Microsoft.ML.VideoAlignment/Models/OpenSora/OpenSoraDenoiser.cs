using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>STDiT3 as a denoiser. It is told the frame rate and the size, and which latent frames are given.</summary>
/// <param name="network">The network; it belongs to this.</param>
/// <param name="vae">The autoencoder's configuration, for the latents' shape.</param>
/// <param name="flow">The schedule, whose length says when an edited frame begins to be made.</param>
internal sealed class OpenSoraDenoiser(STDiT3 network, VideoAutoencoderConfig vae, RectifiedFlow flow) : IDenoiser
{
    public string Name => "transformer";

    public nn.Module Network => network;

    public long[] LatentShape(int batch, VideoSize size)
    {
        (int frames, int height, int width) = vae.LatentSize(size.Frames, size.Height, size.Width);
        return [batch, network.Config.InChannels, frames, height, width];
    }

    public Tensor Predict(Tensor latents, double timestep, Condition condition)
    {
        using Tensor whole = PredictAll(latents, timestep, condition);
        return whole.narrow(1, 0, network.Config.InChannels);
    }

    public Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition) =>
        RowPrediction.Predict(this, latents, timesteps, condition);

    /// <summary>Predicts as <see cref="Predict"/> does, with the channels that samplers do not use.</summary>
    /// <param name="latents">x_t [B, c, T', h, w].</param>
    /// <param name="timestep">t, in steps of the training schedule.</param>
    /// <param name="condition">B rows.</param>
    /// <returns>[B, 2 c, T', h, w].</returns>
    public Tensor PredictAll(Tensor latents, double timestep, Condition condition)
    {
        using DisposeScope scope = NewDisposeScope();

        // They are there already; with their graph they are there in gradient steps alone if not put in again.
        latents = GivenFrames.Insert(latents, condition, edited: false);
        Tensor? active = condition.FrameMask is { } mask ? RectifiedFlowSampler.ActiveFrames(mask, timestep, flow.TrainTimesteps) : null;
        Tensor time = ScalarOps.Full([1], timestep, dtype: ScalarType.Float32, device: latents.device);
        long tokens = LongestText(condition);
        return network.Forward(
            latents, time, condition.Text.narrow(1, 0, tokens), condition.TextMask?.narrow(1, 0, tokens), active, Rate(condition, latents.device),
            condition.Size.Height, condition.Size.Width).MoveToOuterDisposeScope();
    }

    public IDenoiser OnMeta() => new OpenSoraDenoiser(new STDiT3(network.Config, Placement.MetaLike(network)), vae, flow);

    public void MoveTo(Device device) => network.to(device);

    public void Dispose() => network.Dispose();

    // Gives frames a second, [1] where all rows are alike: the network's modulation is then the same for all of them.
    private static Tensor Rate(Condition condition, Device device)
    {
        IReadOnlyList<float> rates = condition.FrameRates ?? HostRead.Numbers<float>(condition.Scalars!.to_type(ScalarType.Float32));
        return rates.Distinct().Count() == 1
            ? ScalarOps.Full([1], rates[0], dtype: ScalarType.Float32, device: device)
            : DeviceTable.Create([.. rates], device);
    }

    // Counts the tokens of the longest text of a batch: what lies after them takes no part.
    private static long LongestText(Condition condition) =>
        condition.TextMask is { } mask ? Math.Max(1, (condition.TextLengths ?? HostRead.UsedColumns(mask)).Max()) : condition.Text.shape[1];
}
