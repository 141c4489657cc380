namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which activations of gradient steps are recomputed in the backward pass (Chen et al. 2016, arXiv 1604.06174). The choice trades time for memory and
/// leaves the gradient the same, up to the rounding of sums.
/// </summary>
public enum ActivationRecompute
{
    /// <summary>Keep all activations: the fastest.</summary>
    None,

    /// <summary>Recompute the inside of each block of denoiser and decoder, which keeps its inputs: one more run of each block.</summary>
    Blocks,

    /// <summary>
    /// Recompute whole denoising steps, which keep their latents; while a step runs again its blocks keep their inputs, as the decoder's do. Two more runs of
    /// each block of the denoiser: for windows of several steps, or where decoding for the reward is the peak.
    /// </summary>
    Steps,
}
