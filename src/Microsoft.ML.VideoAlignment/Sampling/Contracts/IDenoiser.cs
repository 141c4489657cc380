using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>The network that a model samples with and LoRA adapts: (x_t, t, condition) -> prediction. It knows nothing of samplers.</summary>
internal interface IDenoiser : IDisposable
{
    /// <summary>The network's name in the model's files, such as "unet".</summary>
    string Name { get; }

    /// <summary>The network; it belongs to this.</summary>
    nn.Module Network { get; }

    /// <summary>Gives the shape of the latents of a batch.</summary>
    /// <param name="batch">Videos, B.</param>
    /// <param name="size">The size of each.</param>
    /// <returns>[B, c, T, h, w].</returns>
    long[] LatentShape(int batch, VideoSize size);

    /// <summary>Predicts at one timestep for the whole batch.</summary>
    /// <param name="latents">x_t [B, c, T, h, w].</param>
    /// <param name="timestep">t, in steps of the training schedule.</param>
    /// <param name="condition">What the network is told, B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    Tensor Predict(Tensor latents, double timestep, Condition condition);

    /// <summary>Predicts where each sample is at a timestep of its own.</summary>
    /// <param name="latents">[B, c, T, h, w].</param>
    /// <param name="timesteps">B timesteps.</param>
    /// <param name="condition">What the network is told, B rows.</param>
    /// <returns>[B, c, T, h, w].</returns>
    Tensor PredictEach(Tensor latents, IReadOnlyList<double> timesteps, Condition condition);

    /// <summary>Tells which of its networks predicts at a timestep: 0, or 1 for the expert for low noise of a model with two.</summary>
    /// <param name="timestep">t, in steps of the training schedule.</param>
    int ExpertAt(double timestep) => 0;

    /// <summary>Makes a denoiser of the same shapes without memory (<see cref="MetaOps"/>).</summary>
    IDenoiser OnMeta();

    /// <summary>Moves the network.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);
}
