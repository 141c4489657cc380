using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>A base model with the LoRA weights of an alignment: prompt and seed in, video out.</summary>
internal sealed class AlignedModel : IDisposable
{
    private readonly bool _ownsModel;
    private readonly UnpackedBase? _unpacked;
    private readonly Device? _device;
    private bool _disposed;

    /// <param name="model">The base model.</param>
    /// <param name="ownsModel">Whether disposing this disposes it.</param>
    /// <param name="adapters">Content of an <see cref="AdapterFile"/>; null: the base model's own videos.</param>
    /// <param name="sampling">How videos are sampled.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="unpacked">The base model's files, where they came out of a zip; who owns the model owns them.</param>
    /// <param name="device">Where videos are made: the model is brought there whenever another has moved it away; null: wherever it is.</param>
    public AlignedModel(
        VideoDiffusionModel model, bool ownsModel, byte[]? adapters, SamplingSettings sampling, int seed, UnpackedBase? unpacked = null, Device? device = null) =>
        (Model, _ownsModel, Adapters, Sampling, Seed, _unpacked, _device) = (model, ownsModel, adapters, sampling, seed, unpacked, device);

    public VideoDiffusionModel Model { get; }

    public SamplingSettings Sampling { get; }

    public int Seed { get; }

    public byte[]? Adapters { get; }

    /// <summary>The folder of the base model's files; null where they come with the library.</summary>
    public string? BaseFolder => _unpacked?.Folder ?? (VideoModelReference.IsEmbedded(Model) ? null : Model.Source);

    /// <summary>The same model and settings without the adapters; it owns nothing.</summary>
    public AlignedModel WithoutAdapters() => new(Model, ownsModel: false, adapters: null, Sampling, Seed, _unpacked, _device);

    /// <summary>The same model and settings with these adapters at another strength; it owns nothing.</summary>
    public AlignedModel AtStrength(byte[] adapters, double strength) =>
        new(Model, ownsModel: false, AdapterFile.AtStrength(Model.Denoiser, adapters, strength), Sampling, Seed, _unpacked, _device);

    /// <summary>Row-major [T, 3, H, W] in [0, 1].</summary>
    public float[] Generate(VideoPrompt prompt, ulong seed)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Model.RequireAlive();
        return OutOfMemoryAdvice.Run(Model, Sampling, () => AdapterHost.For(Model).RunAttached(_device, Adapters, adapters =>
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable run = RunContext.Begin(Model.Device.type);
            Tensor video = new VideoGenerator(Model, Sampling).Generate([prompt], [seed], adapters); // [1, 3, T, H, W]
            return video.squeeze(0).permute(1, 0, 2, 3).contiguous().cpu().data<float>().ToArray(); // [T, 3, H, W]
        }));
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        AdapterHost.For(Model).Release(Adapters);
        if (_ownsModel)
        {
            Model.Dispose();
            _unpacked?.Dispose();
        }
    }
}
