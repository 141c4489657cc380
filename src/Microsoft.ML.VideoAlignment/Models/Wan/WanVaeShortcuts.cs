using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// The shortcuts of Wan 2.2's levels: space and time folded into channels and averaged on the way down, channels repeated and unfolded on the way up.
/// Reference: diffusers, <c>AvgDown3D</c>, <c>DupUp3D</c>.
/// </summary>
internal static class WanVaeShortcuts
{
    // Both axes of an image.
    private const long Doubled = 2;

    /// <summary>Averages a segment down to a level's output. An odd number of frames gets a frame of zeros in front.</summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="outChannels">Channels of the result.</param>
    /// <param name="timeFactor">Frames that become one: 1 or 2.</param>
    /// <param name="spaceFactor">Pixels along each side that become one: 1 or 2.</param>
    /// <param name="pass">The pass over the segment.</param>
    /// <returns>[B*T', out, H', W'].</returns>
    public static Tensor Average(Tensor x, long outChannels, long timeFactor, long spaceFactor, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = pass.ToSegments(x); // [B, T, H, W, C]
        long lack = (timeFactor - (segments.shape[1] % timeFactor)) % timeFactor;
        if (lack > 0)
        {
            segments = cat([zeros_like(segments.narrow(1, 0, lack)), segments], dim: 1);
        }

        Tensor folded = segments.unflatten(1, [-1, timeFactor]).unflatten(3, [-1, spaceFactor]).unflatten(5, [-1, spaceFactor]);
        Tensor channels = folded.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(4); // [B, T', H', W', C*t*row*column]
        return CausalPass.ToImages(channels.unflatten(4, [outChannels, -1]).mean([-1L])).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Repeats a segment up to a level's output; of the first frame's copies the last alone stays. Output channel o at offset (t, row, column) is input
    /// channel floor((((o*f + t)*2 + row)*2 + column) / r), f the factor in time and r = out * f * 4 / in.
    /// </summary>
    /// <param name="x">[B*T, in, H, W].</param>
    /// <param name="outChannels">Channels of the result.</param>
    /// <param name="timeFactor">Frames that one becomes: 1 or 2.</param>
    /// <param name="pass">The pass over the segment.</param>
    /// <returns>[B*T', out, 2H, 2W].</returns>
    public static Tensor Repeat(Tensor x, long outChannels, long timeFactor, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor segments = pass.ToSegments(x); // [B, T, H, W, C]
        long repeats = outChannels * timeFactor * Doubled * Doubled / x.shape[1];
        Tensor channels = segments.unsqueeze(-1).expand(-1, -1, -1, -1, -1, repeats).flatten(4);
        Tensor unfolded = channels.unflatten(4, [outChannels, timeFactor, Doubled, Doubled]); // [B, T, H, W, out, t, row, column]
        Tensor y = unfolded.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(1, 2).flatten(2, 3).flatten(3, 4); // [B, T', 2H, 2W, out]
        y = pass.IsStart ? y.narrow(1, timeFactor - 1, y.shape[1] - timeFactor + 1) : y;
        return CausalPass.ToImages(y).MoveToOuterDisposeScope();
    }
}
