using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.MLNet;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Video;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Appends a <see cref="float"/> column with the score of each row's video, computed when it is read, once per row.</summary>
/// <remarks>A fitted transformer borrows the reward; a loaded one owns the reward that it made from the files. Disposing twice is harmless.</remarks>
public sealed class VideoScoringTransformer : ITransformer, IDisposable
{
    internal const string LoaderSignature = "VideoScoring";

    private readonly ScoringColumns _columns;
    private readonly VideoReward _reward;
    private readonly Device _device;
    private readonly bool _ownsReward;
    private bool _disposed;

    internal VideoScoringTransformer(IHostEnvironment environment, ScoringColumns columns, VideoReward reward, Device device, bool ownsReward)
    {
        _ = environment;
        _columns = columns;
        _reward = reward;
        _device = device;
        _ownsReward = ownsReward;
    }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => true;

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, of another type, or its videos cannot be scored by this reward.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).OutputSchema;

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, of another type, or its videos cannot be scored by this reward.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Bind(inputSchema);

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, of another type, or its videos cannot be scored by this reward.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Bind(input.Schema).View(input);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed && _ownsReward)
        {
            _reward.Dispose();
        }

        _disposed = true;
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        RequireAlive();
        ScoringArchive.Save(ctx, LoaderSignature, _columns, _reward);
    }

    // ML.NET finds this by reflection, through LoaderRegistration. The second argument is its internal ModelLoadContext.
    [SuppressMessage("Performance", "CA1859", Justification = "ML.NET looks for exactly this return type.")]
    private static ITransformer Create(IHostEnvironment environment, object context)
    {
        IHost host = environment.Register(nameof(VideoScoringTransformer));
        using IChannel channel = host.Start("Loading");
        Device device = Devices.Choose(host, channel);
        (ScoringColumns columns, VideoReward reward) = ScoringArchive.Load(context, ModelResolver.Get(environment));
        RewardDevices.Use(reward, device).Dispose();
        return new VideoScoringTransformer(host, columns, reward, device, ownsReward: true);
    }

    private void RequireAlive()
    {
        if (_disposed)
        {
            throw new ObjectDisposedException(
                nameof(VideoScoringTransformer),
                $"The transformer that scores column '{_columns.Video}' has been disposed. Dispose it after every table and prediction engine that reads "
                    + "its scores; fit or load it again to use it again.");
        }

        _reward.RequireAlive();
    }

    private AppendingMapper Bind(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        RequireAlive();
        BoundScoring bound = _columns.Find(inputSchema, _reward);
        DataViewSchema.Annotations annotations = new DataViewSchema.Annotations.Builder().ToAnnotations();
        var column = new AppendedColumn(_columns.Output, NumberDataViewType.Single, annotations, bound.Columns, row => Getter(row, bound));
        return new AppendingMapper(inputSchema, column);
    }

    private ValueGetter<float> Getter(DataViewRow row, BoundScoring bound)
    {
        ValueGetter<VBuffer<float>> video = row.GetGetter<VBuffer<float>>(bound.Video);
        ValueGetter<ReadOnlyMemory<char>>? prompt = bound.Prompt is { } column ? row.GetGetter<ReadOnlyMemory<char>>(column) : null;
        VBuffer<float> frames = default;
        ReadOnlyMemory<char> text = default;
        var score = new RowCache<float>(row, () =>
        {
            video(ref frames);
            prompt?.Invoke(ref text);
            return Score(frames, bound.Size, prompt is null ? null : text.ToString());
        });
        return (ref float value) => value = score.Value;
    }

    private float Score(VBuffer<float> frames, VideoSize size, string? prompt)
    {
        RequireAlive();
        float[] values = new float[frames.Length];
        frames.CopyTo(values);
        using IDisposable used = RewardDevices.Use(_reward, _device);
        using IDisposable mode = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using IDisposable run = RunContext.Begin(_device.type);
        Tensor video = tensor(values).reshape(1, size.Frames, 3, size.Height, size.Width).permute(0, 2, 1, 3, 4).to(_device); // [T, 3, H, W] -> [1, 3, T, H, W]
        Tensor shown = _columns.ClampFrames ? UnitRange.Clamp(video) : video;
        RewardContractCheck.RequireUnitRange(shown);
        RunContext.Enter(RunStage.Scoring);
        float score = (float)HostRead.Number(_reward.Score(shown, [prompt ?? ""]).to(ScalarType.Float32));
        return float.IsFinite(score) ? score : throw new RewardContractException(
            $"Reward '{_reward.Name}' scored {(prompt is null ? "a video" : $"the video of prompt '{Quotation.Shorten(prompt)}'")} {score}, "
            + "though its frames are finite. "
            + "Look for divisions, logarithms and square roots in the reward, and for half precision in its networks.");
    }
}
