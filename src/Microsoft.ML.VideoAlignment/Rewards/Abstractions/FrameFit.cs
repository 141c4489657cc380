namespace Microsoft.ML.VideoAlignment;

/// <summary>How a frame of another shape than the network's becomes an image.</summary>
public enum FrameFit
{
    /// <summary>Both sides are resized, whatever that does to proportions.</summary>
    Stretch,

    /// <summary>The short side is resized, the long side in proportion (truncated), and the middle is cut out.</summary>
    Crop,
}
