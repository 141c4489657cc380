namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which activations of gradient steps are computed again in the backward pass (Chen et al. 2016, arXiv 1604.06174). The gradient is the same whichever is
/// chosen, to the rounding of sums; memory and time are not.
/// </summary>
public enum ActivationRecompute
{
    /// <summary>None: all are kept. The fastest.</summary>
    None,

    /// <summary>Those inside each block of denoiser and decoder, which keeps its inputs: one more run of each block.</summary>
    Blocks,

    /// <summary>
    /// All of a denoising step, which keeps its latents; while it runs again its blocks keep their inputs, as the decoder's do. Two more runs of each block
    /// of the denoiser; for windows of several steps, or where decoding for the reward is the peak.
    /// </summary>
    Steps,
}
