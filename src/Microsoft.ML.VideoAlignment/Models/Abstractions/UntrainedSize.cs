namespace Microsoft.ML.VideoAlignment;

/// <summary>How large an untrained model is.</summary>
public enum UntrainedSize
{
    /// <summary>A few hundred thousand weights in every kind of block that the published model has: steps of milliseconds.</summary>
    Tiny,

    /// <summary>The published blocks in about a third of their widths, 0.3 to 0.8 GB of weights: for measuring time and memory.</summary>
    Middle,

    /// <summary>
    /// The published sizes, 1.4 to 2.5 billion weights (twice as many bytes in half precision): for measuring what fits. Text encoders are left out but for
    /// VideoCrafter's.
    /// </summary>
    Full,
}
