namespace Microsoft.ML.VideoAlignment;

/// <summary>The precision of AdamW's two moments.</summary>
public enum OptimizerState
{
    /// <summary>float32: 8 bytes for each number that is trained.</summary>
    Full,

    /// <summary>
    /// 8 bits each, in blocks of 256 with a scale of their own (Dettmers et al. 2022, arXiv 2110.02861): 2.03 bytes for each number that is trained. The steps
    /// differ a little from those of float32.
    /// </summary>
    EightBit,
}
