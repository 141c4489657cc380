using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Pipelines;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A loaded text-to-video diffusion model: text encoder, denoiser, sampler and video decoder. Weights are frozen; alignment adds LoRA beside them.
/// </summary>
public abstract class VideoDiffusionModel : IDisposable
{
    /// <summary>The model family, such as "ModelScope".</summary>
    public abstract string Family { get; }

    /// <summary>Where the weights came from: a folder, or the name of an embedded model.</summary>
    public abstract string Source { get; }

    /// <summary>SHA-256 over the weights, hexadecimal: what a saved alignment names its base by.</summary>
    public abstract string Hash { get; }

    /// <summary>Frames, height and width the model was trained at.</summary>
    public abstract VideoSize DefaultSize { get; }

    /// <summary>Height and width must be multiples of this, in pixels.</summary>
    public abstract int SizeMultiple { get; }

    /// <summary>Whether blocks of denoiser and decoder keep only their inputs in graded steps and run again in the backward pass.</summary>
    internal abstract bool RecomputeBlocks { get; set; }

    /// <summary>Every network by its name in the model's files.</summary>
    internal abstract IReadOnlyDictionary<string, nn.Module> Networks { get; }

    /// <summary>Sampler steps and guidance scale for those who name none: the model's publisher's.</summary>
    internal virtual (int Steps, double GuidanceScale) DefaultSampling => (25, 9);

    /// <summary>The network that LoRA adapts.</summary>
    internal abstract nn.Module Denoiser { get; }

    /// <summary>The folder's sampler.</summary>
    internal abstract Schedulers.IScheduler Scheduler { get; }

    /// <summary>Another sampler made from the folder's scheduler file; unknown names are an error that lists the known ones.</summary>
    internal abstract Schedulers.IScheduler SwapScheduler(string className);

    /// <summary>The device of every weight.</summary>
    internal abstract Device Device { get; }

    /// <summary>Moves all networks.</summary>
    internal abstract void MoveTo(Device device);

    /// <summary>Prompts -> condition [B, L, D]. The empty prompt is a prompt like any other.</summary>
    internal abstract Tensor EncodePrompts(IReadOnlyList<string> prompts);

    /// <summary>How many tokens of the prompt are cut because they do not fit.</summary>
    internal abstract int CountTruncated(string prompt);

    /// <summary>Shape of the latents of a batch: [B, c, T, h, w].</summary>
    internal abstract long[] LatentShape(int batch, VideoSize size);

    /// <summary>(x_t [B, c, T, h, w], t, condition [B, L, D]) -> prediction [B, c, T, h, w].</summary>
    internal abstract Tensor Predict(Tensor latents, double timestep, Tensor condition);

    /// <summary>
    /// Latents [B, c, T, h, w] -> decoder output [B, 3, F, H, W], about [-1, 1], not clamped; <paramref name="frames"/> null: all. A frame is the same
    /// whichever others are asked for: a decoder that looks at neighbours decodes them too and leaves them out.
    /// </summary>
    internal abstract Tensor Decode(Tensor latents, IReadOnlyList<int>? frames = null);

    /// <summary>Loads a model from the files that its publisher gives out; the family is recognised from them.</summary>
    /// <param name="path">A diffusers folder (model_index.json).</param>
    /// <param name="options">How weights are read and held; null: the defaults.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="NotSupportedException">The folder holds another kind of model.</exception>
    /// <exception cref="WeightFileException">A weight file is missing, damaged, or of another model.</exception>
    public static VideoDiffusionModel FromPretrained(string path, VideoModelOptions? options = null) => Load(path, options ?? new VideoModelOptions(), source: null);

    /// <summary>
    /// The tiny text-to-video model that comes with this library: 8 frames of 32 x 32 pixels of moving shapes, in ModelScope's form, trained by the
    /// program under build/. Prompts are like "a red circle moving right on a dark background".
    /// </summary>
    public static VideoDiffusionModel MovingShapes() => Load(EmbeddedModels.Find("text-to-video"), new VideoModelOptions(), MovingShapesSource);

    /// <summary>What <see cref="Source"/> says of the embedded model.</summary>
    internal const string MovingShapesSource = "MovingShapes";

    private static ModelScopePipeline Load(string path, VideoModelOptions options, string? source)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!Directory.Exists(path))
        {
            throw new DirectoryNotFoundException($"No model folder '{path}'. Expected a diffusers folder with model_index.json, unet/, vae/, text_encoder/, tokenizer/, scheduler/.");
        }

        string indexFile = Path.Combine(path, ModelScopePipeline.IndexName);
        if (!File.Exists(indexFile))
        {
            throw new NotSupportedException($"'{path}' is not a known model folder: looked for {ModelScopePipeline.IndexName} (diffusers) and found none.");
        }

        string family = ConfigJson.Text(new DiffusersFolder(path).Config(ModelScopePipeline.IndexName), "_class_name", "");
        Placement placement = Placement.OnCpu(options.Precision);
        return family == ModelScopePipeline.ClassName
            ? ModelScopePipeline.FromFolder(path, options.Variant, placement, source)
            : throw new NotSupportedException($"'{indexFile}' names the pipeline class '{family}'; known: {ModelScopePipeline.ClassName} (ModelScope).");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the networks.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>Frames, height and width of a video, in frames and pixels.</summary>
public readonly record struct VideoSize(int Frames, int Height, int Width);
