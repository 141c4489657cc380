using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>A base model with the LoRA weights of an alignment, which generates a video from a prompt and a seed.</summary>
internal sealed class AlignedModel : IDisposable
{
    private readonly bool _ownsModel;
    private readonly UnpackedBase? _unpacked;
    private readonly Device? _device;
    private bool _disposed;

    /// <summary>Creates an aligned model; nothing is attached before the first video.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="ownsModel">Whether disposing this object disposes the model and its unpacked files.</param>
    /// <param name="adapters">The content of an <see cref="AdapterFile"/>; null: the base model's own videos.</param>
    /// <param name="sampling">How videos are sampled.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="unpacked">The base model's files, where they came inside a zip; null: they did not.</param>
    /// <param name="device">
    /// The device that generates: the model is moved there whenever another user has moved it away; null: wherever the model is.
    /// </param>
    /// <param name="precision">What the networks compute in; null: what is usual on the device.</param>
    public AlignedModel(
        VideoDiffusionModel model, bool ownsModel, byte[]? adapters, SamplingSettings sampling, int seed, UnpackedBase? unpacked = null,
        Device? device = null, SavedPrecision? precision = null) =>
        (Model, _ownsModel, Adapters, Sampling, Seed, _unpacked, _device, SavedPrecision) =
            (model, ownsModel, adapters, sampling, seed, unpacked, device, precision);

    public VideoDiffusionModel Model { get; }

    public SamplingSettings Sampling { get; }

    /// <summary>What the networks compute in, and where that was decided; null: what is usual on the device.</summary>
    public SavedPrecision? SavedPrecision { get; }

    public int Seed { get; }

    public byte[]? Adapters { get; }

    /// <summary>The folder of the base model's files; null where they come with a package.</summary>
    public string? BaseFolder => _unpacked?.Folder ?? (Model.ComesWithPackage ? null : Model.Source);

    /// <summary>Makes a view of this model without its adapters, under the same settings; the view owns nothing.</summary>
    public AlignedModel WithoutAdapters() => new(Model, ownsModel: false, adapters: null, Sampling, Seed, _unpacked, _device, SavedPrecision);

    /// <summary>Makes a view of this model with adapters at another strength, under the same settings; the view owns nothing.</summary>
    /// <param name="adapters">The content of an <see cref="AdapterFile"/>.</param>
    /// <param name="strength">The factor on the adapters' delta: 0 is the base model, 1 the adapters as trained; finite.</param>
    public AlignedModel WithStrength(byte[] adapters, double strength) =>
        new(Model, ownsModel: false, AdapterFile.Scale(Model.Denoiser, adapters, strength), Sampling, Seed, _unpacked, _device, SavedPrecision);

    /// <summary>Generates a video.</summary>
    /// <param name="prompt">The prompt and its images.</param>
    /// <param name="seed">The seed of the row's noise.</param>
    /// <returns>The values of [T, 3, H, W], row-major, RGB in [0, 1].</returns>
    /// <exception cref="InsufficientMemoryException">Memory ran out.</exception>
    public float[] Generate(VideoPrompt prompt, ulong seed)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Model.RequireAlive();
        return OutOfMemoryAdvice.Run(Model, Sampling, () => AdapterHost.ForModel(Model).RunAttached(_device, Adapters, adapters =>
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable run = RunContext.Begin(Model.Device.type, ResolvePrecision(ComputeDevice.Describe(Model.Device)));
            Tensor video = new VideoGenerator(Model, Sampling).Generate([prompt], [seed], adapters); // [1, 3, T, H, W]
            return HostRead.Numbers<float>(video.squeeze(0).permute(1, 0, 2, 3)); // [T, 3, H, W]
        }));
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        AdapterHost.ForModel(Model).Release(Adapters);
        if (_ownsModel)
        {
            Model.Dispose();
            _unpacked?.Dispose();
        }
    }

    private RunPrecision ResolvePrecision(IComputeDevice device) =>
        SavedPrecision?.ResolveOn(device) ?? new MemoryOptions().ResolvePrecision(device, Model.Parts.Traits);
}
