using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Scores a column of videos with a reward.</summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// ###  Estimator Characteristics
/// |  |  |
/// | -- | -- |
/// | Does this estimator need to look at the data to train its parameters? | No |
/// | Input column data type | Vector of <xref:System.Single> with dimensions T, 3, H, W (RGB in [0, 1]), and Text for rewards that read the prompt |
/// | Output column data type | <xref:System.Single> |
/// | Exportable to ONNX | No |
/// ]]></format>
/// The reward belongs to the caller, who disposes it after the transformers that use it. Scorings on one device run side by side; another context that uses
/// the reward on another device waits until it is free and moves it, at each change.
/// </remarks>
public sealed class VideoScoringEstimator : IEstimator<VideoScoringTransformer>
{
    private readonly IHost _host;
    private readonly ScoringColumns _columns;
    private readonly VideoReward _reward;

    internal VideoScoringEstimator(IHostEnvironment environment, ScoringColumns columns, VideoReward reward)
    {
        ArgumentException.ThrowIfNullOrEmpty(columns.Output, "outputColumnName");
        ArgumentException.ThrowIfNullOrEmpty(columns.Video, "videoColumnName");
        ArgumentNullException.ThrowIfNull(reward);
        reward.RequireAlive();
        LoaderRegistration.Register(environment);
        _host = environment.Register(nameof(VideoScoringEstimator));
        _columns = columns;
        _reward = reward;
    }

    /// <summary>Checks the columns and moves the reward to the device that <see cref="MLContext"/> names; there is nothing to train.</summary>
    /// <param name="input">A table with the video column.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, of another type, or its videos cannot be scored by this reward.</exception>
    /// <exception cref="ObjectDisposedException">The reward has been disposed.</exception>
    public VideoScoringTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _reward.RequireAlive();
        _columns.Require(MlNetInterop.GetShape(input.Schema));
        _columns.Find(input.Schema, _reward);
        using IChannel channel = _host.Start("Scoring");
        Device device = Devices.Choose(_host, channel);
        RewardDevices.Use(_reward, device).Dispose();
        return new VideoScoringTransformer(_host, _columns, _reward, device, ownsReward: false);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _columns.Require(inputSchema);
        SchemaShape.Column score = MlNetInterop.CreateColumn(
            _columns.Output, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, isKey: false, annotations: null);
        return InputColumns.Append(inputSchema, score);
    }
}
