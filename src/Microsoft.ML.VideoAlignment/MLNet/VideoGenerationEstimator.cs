using System.Text.Json.Nodes;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Generates videos with a model as it is, or with LoRA weights from files, without training. <see cref="Fit"/> reads the files and returns the same
/// transformer as an alignment does, which can be saved and used in a <c>PredictionEngine</c>.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// ###  Estimator Characteristics
/// |  |  |
/// | -- | -- |
/// | Does this estimator need to look at the data to train its parameters? | No |
/// | Input column data type | Text |
/// | Output column data type | Vector of <xref:System.Single> with dimensions T, 3, H, W; RGB in [0, 1] |
/// | Exportable to ONNX | No |
/// ]]></format>
/// The model belongs to the caller, who disposes it after the transformers that use it. It may be used from several threads, one at a time; contexts that
/// use it on different devices move it each time.
/// </remarks>
public sealed class VideoGenerationEstimator : IEstimator<VideoAlignmentTransformer>
{
    private readonly IHost _host;
    private readonly AlignmentColumns _columns;
    private readonly VideoDiffusionModel _model;
    private readonly VideoSamplingOptions _sampling;
    private readonly IReadOnlyList<VideoLora> _loras;
    private readonly int _seed;
    private readonly bool _includeBaseModel;

    internal VideoGenerationEstimator(
        IHostEnvironment environment, AlignmentColumns columns, VideoDiffusionModel model, VideoSamplingOptions sampling, IReadOnlyList<VideoLora> loras,
        int? seed, bool includeBaseModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        AlignmentColumns.RequireNames(columns.Output, columns.Prompt, model, reward: null);
        sampling.ValidateFor(model);
        VideoLora.Validate(loras);
        LoaderRegistration.Register(environment);
        _host = environment.Register(nameof(VideoGenerationEstimator));
        (_columns, _model, _sampling, _loras, _includeBaseModel) = (columns, model, sampling, loras, includeBaseModel);
        _seed = seed ?? MlNetInterop.Seed(environment) ?? _host.Rand.Next();
    }

    /// <summary>Reads the LoRA files and checks the table's columns; nothing is trained.</summary>
    /// <param name="input">A table with the columns that the model reads; its rows are not read.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    /// <exception cref="WeightFileException">A file is damaged, not a plain LoRA, or belongs to another model.</exception>
    /// <exception cref="InvalidOperationException">The GPU asked for does not exist.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public VideoAlignmentTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _model.RequireAlive();
        _columns.Require(MlNetInterop.GetShape(input.Schema));
        using IChannel channel = _host.Start("Loading");
        Log.Warn(channel, _model.LoadNotes);
        byte[]? adapters = null;
        if (_loras.Count > 0)
        {
            (adapters, IReadOnlyList<string> notes) = VideoLora.Combine(_model, _loras);
            Log.Warn(channel, notes);
        }

        Log.Warn(channel, IneffectiveOptions.FindInGeneration(_sampling, _includeBaseModel, _model));
        Device device = Devices.Choose(_host, channel);
        AdapterHost.ForModel(_model).MoveTo(device);
        var generated = new AlignedModel(_model, ownsModel: false, adapters, _sampling.Resolve(_model), _seed, device: device);
        IEnumerable<JsonNode> files = _loras.Select(lora => new JsonObject { ["file"] = Path.GetFileName(lora.Path), ["strength"] = lora.Strength });
        var record = new JsonObject { ["loraFiles"] = new JsonArray([.. files]) };
        return new VideoAlignmentTransformer(_host, _columns, generated, record, _includeBaseModel);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _columns.OutputSchema(inputSchema);
}
