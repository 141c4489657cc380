namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>The sizes of video that a model can make.</summary>
internal interface IVideoSizes
{
    /// <summary>Frames, height and width the model was trained at.</summary>
    VideoSize Default { get; }

    /// <summary>Height and width must be multiples of this, in pixels.</summary>
    int Multiple { get; }

    /// <summary>Says what keeps the model from making videos of a size, with the nearest it can.</summary>
    /// <param name="size">The size asked for.</param>
    /// <returns>Null: nothing does.</returns>
    string? Fault(VideoSize size);

    /// <summary>Gives the size of the frames that come out.</summary>
    /// <param name="size">The size asked for.</param>
    VideoSize Output(VideoSize size);
}
