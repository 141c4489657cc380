
namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>The names of a scoring transform's columns.</summary>
/// <param name="Output">The column of scores to make.</param>
/// <param name="Video">The column of videos.</param>
/// <param name="Prompt">The column of prompts; null: none.</param>
/// <param name="ClampFrames">Whether values outside [0, 1] are clamped instead of refused.</param>
internal sealed record ScoringColumns(string Output, string Video, string? Prompt, bool ClampFrames = false)
{
    /// <summary>Checks that the input has the columns.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public void Require(SchemaShape inputSchema)
    {
        InputColumns.RequireVideo(inputSchema, Video);
        if (Prompt is not null)
        {
            InputColumns.RequireText(inputSchema, Prompt);
        }
    }

    /// <summary>Finds the columns in a schema, and the size of the videos.</summary>
    /// <param name="inputSchema">The input's schema.</param>
    /// <param name="reward">The reward that scores, whose contract the videos must fit.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, or the reward needs more frames.</exception>
    public BoundScoring Find(DataViewSchema inputSchema, VideoReward reward)
    {
        (DataViewSchema.Column video, int[] shape) = InputColumns.FindVideo(inputSchema, Video);
        DataViewSchema.Column? prompt = Prompt is null ? null : InputColumns.FindText(inputSchema, Prompt);
        return RewardProbe.FitsContract(reward.Contract, shape[0])
            ? new BoundScoring(video, prompt, new VideoSize(shape[0], shape[2], shape[3]))
            : throw new ArgumentOutOfRangeException(
                nameof(inputSchema),
                $"Schema mismatch for input column '{Video}': the reward '{reward.Name}' takes at least {reward.Contract.MinimumFrames} frames, a multiple "
                + $"of {reward.Contract.FrameMultiple}, got {video.Type}. "
                + $"Make videos of such a length, or measure during training: {nameof(VideoAlignmentOptions)}.{nameof(VideoAlignmentOptions.HeldOutData)} "
                + $"shows the reward what {nameof(VideoAlignmentOptions.RewardFrames)} chooses.");
    }
}

/// <summary>Scoring columns found in a schema.</summary>
/// <param name="Video">The column of videos.</param>
/// <param name="Prompt">The column of prompts; null: none.</param>
/// <param name="Size">Frames, height and width of the videos.</param>
internal sealed record BoundScoring(DataViewSchema.Column Video, DataViewSchema.Column? Prompt, VideoSize Size)
{
    /// <summary>The columns that are read.</summary>
    public IReadOnlyList<DataViewSchema.Column> Columns => Prompt is { } prompt ? [Video, prompt] : [Video];
}
