using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Generates a video for each prompt: appends a column <c>Vector&lt;Single, T, 3, H, W&gt;</c>, RGB in [0, 1]. Nothing is generated until the column is
/// read; rows are generated one after another, and each only once while a cursor is on it.
/// </summary>
/// <remarks>
/// The noise of a row is a function of the run's seed, the prompt and the seed column (<see cref="VideoSamplingOptions.SeedColumnName"/>), and of nothing
/// else: the same row gives the same video whatever the order of reading, and in a <c>PredictionEngine</c>.
/// It computes in the precision that the run was in, also after saving and loading; where a run on a GPU computed in half precision, a CPU, or a GPU without
/// that type, takes float32, and the log says so.
/// A video that is not finite is never returned: reading it throws <see cref="NotFiniteNumberException"/>, which names the denoising step or the decoder, and
/// the prompt. A fitted transformer borrows the model that was given to the estimator and never disposes it; a loaded one owns the model it loaded, unless a
/// resolver supplied it. Disposing twice is harmless, also after the model was disposed.
/// Generating writes nothing to the disk, and <see cref="SaveAdapters"/> only the file that is asked for. <c>mlContext.Model.Save</c> and <c>Load</c> need a
/// writable temporary folder (<c>MLContext.TempFilePath</c>), ML.NET's own rule; a base model that came inside the zip stays there, unpacked, until the
/// transformer is disposed.
/// </remarks>
public sealed class VideoAlignmentTransformer : ITransformer, IDisposable
{
    internal const string LoaderSignature = "VideoAlignment";

    private readonly IHost _host;
    private readonly AlignmentColumns _columns;
    private readonly AlignedModel _aligned;
    private readonly JsonObject _training;
    private readonly bool _includeBaseModel;
    private bool _disposed;

    internal VideoAlignmentTransformer(IHostEnvironment environment, AlignmentColumns columns, AlignedModel aligned, JsonObject training, bool includeBaseModel)
    {
        _host = environment.Register(nameof(VideoAlignmentTransformer));
        _columns = columns;
        _aligned = aligned;
        _training = training;
        _includeBaseModel = includeBaseModel;
    }

    /// <summary>Frames, height and width of the videos.</summary>
    public VideoSize Size => _aligned.Sampling.VideoSize(_aligned.Model);

    /// <summary>The base model.</summary>
    public VideoModelReference BaseModel => VideoModelReference.Create(_aligned.Model);

    /// <inheritdoc/>
    public bool IsRowToRowMapper => true;

    /// <summary>
    /// Makes a transformer for the base model's videos under the same settings and seeds, for comparison. It borrows this transformer's model.
    /// </summary>
    /// <param name="outputColumnName">The name of the new transformer's video column.</param>
    public VideoAlignmentTransformer WithoutAlignment(string outputColumnName)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        RequireAlive();
        AlignmentColumns columns = _columns with { Output = outputColumnName };
        return new VideoAlignmentTransformer(_host, columns, _aligned.WithoutAdapters(), _training, _includeBaseModel);
    }

    /// <summary>
    /// Makes a transformer for this alignment at another strength, W + strength x delta, under the same settings and seeds. It borrows this transformer's
    /// model.
    /// </summary>
    /// <param name="outputColumnName">The name of the new transformer's video column.</param>
    /// <param name="strength">0: the base model; 1: this transformer; other finite numbers extrapolate.</param>
    /// <exception cref="ArgumentOutOfRangeException">The strength is not finite.</exception>
    /// <exception cref="InvalidOperationException">There are no LoRA weights: this is the base model.</exception>
    public VideoAlignmentTransformer WithStrength(string outputColumnName, double strength)
    {
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        RequireAlive();
        if (!double.IsFinite(strength))
        {
            throw new ArgumentOutOfRangeException(
                nameof(strength), strength, "The strength must be a finite number: 0 is the base model, 1 the alignment as trained.");
        }

        AlignmentColumns columns = _columns with { Output = outputColumnName };
        return new VideoAlignmentTransformer(_host, columns, _aligned.WithStrength(Adapters(), strength), _training, _includeBaseModel);
    }

    /// <summary>Writes the LoRA weights: completely, or not at all.</summary>
    /// <param name="path">A folder for <see cref="LoraFormat.Peft"/>, else a file; what is there is replaced.</param>
    /// <param name="format">The format; by default diffusers' pytorch_lora_weights.safetensors.</param>
    /// <param name="options">What the format needs to know besides the weights; null: the defaults.</param>
    /// <exception cref="InvalidOperationException">There are no LoRA weights: this is the base model.</exception>
    /// <exception cref="NotSupportedException">The format cannot represent something in these weights; the message names one that can.</exception>
    public void SaveAdapters(string path, LoraFormat format = LoraFormat.Diffusers, LoraFileOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RequireAlive();
        AdapterFile.Export(_aligned.Model.Denoiser, Adapters(), path, format, options);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The prompt column is missing or of another type.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).OutputSchema;

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The prompt column is missing or of another type.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Bind(inputSchema);

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The prompt column is missing or of another type.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Bind(input.Schema).View(input);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _aligned.Dispose();
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        RequireOpen();
        var manifest = new AlignmentManifest
        {
            OutputColumn = _columns.Output,
            PromptColumn = _columns.Prompt,
            SeedColumn = _columns.Seed,
            ImageColumn = _columns.Image,
            BaseModel = BaseModel,
            Sampling = _aligned.Sampling,
            Seed = _aligned.Seed,
            Precision = _aligned.SavedPrecision,
            Training = _training,
        };
        AlignmentArchive.Save(ctx, LoaderSignature, manifest, _aligned.Adapters, _includeBaseModel ? _aligned.BaseFolder : null);
    }

    // ML.NET finds this by reflection, through LoaderRegistration. The second argument is its internal ModelLoadContext.
    [SuppressMessage("Performance", "CA1859", Justification = "ML.NET looks for exactly this return type.")]
    private static ITransformer Create(IHostEnvironment environment, object context)
    {
        IHost host = environment.Register(nameof(VideoAlignmentTransformer));
        using IChannel channel = host.Start("Loading");
        Device device = Devices.Choose(host, channel);
        ModelResolver places = ModelResolver.Get(environment);
        (AlignmentManifest manifest, VideoDiffusionModel model, bool ownsModel, byte[]? adapters, UnpackedBase? unpacked) =
            AlignmentArchive.Load(host, context, places);
        try
        {
            AdapterHost.ForModel(model).MoveTo(device);
        }
        catch when (ownsModel)
        {
            model.Dispose();
            unpacked?.Dispose();
            throw;
        }

        var columns = new AlignmentColumns(manifest.OutputColumn, manifest.PromptColumn, manifest.SeedColumn, manifest.ImageColumn);
        var aligned = new AlignedModel(model, ownsModel, adapters, manifest.Sampling, manifest.Seed, unpacked, device, manifest.Precision);
        if (manifest.Precision?.ExplainChange(ComputeDevice.Describe(device)) is { } notice)
        {
            Log.DeviceNotice(channel, notice);
        }

        return new VideoAlignmentTransformer(host, columns, aligned, manifest.Training, includeBaseModel: unpacked is not null);
    }

    private byte[] Adapters() => _aligned.Adapters ?? throw new InvalidOperationException("This transformer is the base model; it has no LoRA weights.");

    private void RequireAlive()
    {
        RequireOpen();
        _aligned.Model.RequireAlive();
    }

    private void RequireOpen()
    {
        if (_disposed)
        {
            throw new ObjectDisposedException(
                nameof(VideoAlignmentTransformer),
                $"The transformer of column '{_columns.Output}' has been disposed. Dispose it after every table and prediction engine that reads its "
                    + "videos; fit or load it again to use it again.");
        }
    }

    private AppendingMapper Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        RequireAlive();
        IReadOnlyList<DataViewSchema.Column> inputs = _columns.Find(inputSchema);
        var column = new AppendedColumn(_columns.Output, VideoColumn.CreateType(Size), VideoColumn.CreateAnnotations(), inputs, row =>
        {
            Func<(VideoPrompt Prompt, long Seed)> read = _columns.Reader(row, new PromptImages(_aligned.Model, _aligned.Sampling, Inform));
            return VideoColumn.CreateGetter(row, () =>
            {
                (VideoPrompt prompt, long rowSeed) = read();
                return Generate(prompt, rowSeed);
            });
        });
        return new AppendingMapper(inputSchema, column);
    }

    private float[] Generate(VideoPrompt prompt, long rowSeed)
    {
        RequireAlive();
        if (_aligned.Model.CountTruncated(prompt.Text, _aligned.Sampling.SegmentCount) is > 0 and var tokens)
        {
            using IChannel channel = _host.Start("Generation");
            Log.Truncated(channel, prompt.Text, tokens);
        }

        return _aligned.Generate(prompt, RowSeed.Derive(_aligned.Seed, rowSeed, prompt.Text));
    }

    private void Inform(string message)
    {
        using IChannel channel = _host.Start("Generation");
        Log.Inform(channel, message);
    }
}
