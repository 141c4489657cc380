namespace Microsoft.ML.VideoAlignment;

/// <summary>How AdamW's two moments of every LoRA number are held.</summary>
public enum OptimizerState
{
    /// <summary>float32: 8 bytes a number.</summary>
    Full,

    /// <summary>
    /// 8 bits each, in blocks of 256 with a scale of their own (Dettmers et al. 2022, arXiv 2110.02861): 2.03 bytes a number. The steps differ a little from those
    /// of float32.
    /// </summary>
    EightBit,
}
