namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Which networks compute large images band by band, in both passes, with the statistics of their norms taken over whole images first. The result is that of
/// whole images, up to the rounding of sums.
/// </summary>
public enum ActivationTiling
{
    /// <summary>None.</summary>
    None,

    /// <summary>
    /// The decoder: its memory no longer grows with the frames that are decoded, and little with their size. Each of its levels and blocks runs again in the
    /// backward pass, which takes about twice as long as with <see cref="ActivationRecompute.Blocks"/> alone.
    /// </summary>
    Decoder,
}
