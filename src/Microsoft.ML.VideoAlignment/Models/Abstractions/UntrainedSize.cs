namespace Microsoft.ML.VideoAlignment;

/// <summary>How large an untrained model is.</summary>
public enum UntrainedSize
{
    /// <summary>A few hundred thousand weights in every kind of block that the published model has: steps of milliseconds.</summary>
    Tiny,

    /// <summary>The published blocks in about a third of their widths, 0.3 to 0.8 GB of weights: for measuring time and memory.</summary>
    Middle,
}
