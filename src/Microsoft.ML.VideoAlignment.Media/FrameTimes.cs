namespace Microsoft.ML.VideoAlignment.Media;

/// <summary>
/// The frames of an animated file and the times they are shown, in whole ticks. The video keeps its length, and no frame is so short that browsers slow it
/// down.
/// </summary>
internal static class FrameTimes
{
    /// <summary>Computes which frames are written, and for how many ticks each is shown.</summary>
    /// <param name="frames">Number of frames.</param>
    /// <param name="framesPerSecond">Frame rate of the video, above 0.</param>
    /// <param name="ticksPerSecond">Unit of the times: 100 in GIF, 1000 in WebP.</param>
    /// <param name="shortest">The shortest time that browsers show as it is, in ticks. Where frames are shorter, some are left out, evenly.</param>
    public static IReadOnlyList<(int Frame, uint Ticks)> Spread(int frames, double framesPerSecond, int ticksPerSecond, uint shortest)
    {
        double ticksPerFrame = ticksPerSecond / framesPerSecond;
        if (ticksPerFrame >= shortest)
        {
            return [.. Enumerable.Range(0, frames).Select(frame => (frame, TicksUntil(frame + 1, ticksPerFrame) - TicksUntil(frame, ticksPerFrame)))];
        }

        uint length = Math.Max(shortest, TicksUntil(frames, ticksPerFrame));
        int shown = (int)(length / shortest);
        return
        [
            .. Enumerable.Range(0, shown).Select(slot =>
            {
                uint start = (uint)((ulong)length * (uint)slot / (uint)shown);
                uint end = (uint)((ulong)length * (uint)(slot + 1) / (uint)shown);
                int frame = Math.Min(frames - 1, (int)((start + end) / 2.0 / ticksPerFrame));
                return (frame, end - start);
            }),
        ];
    }

    private static uint TicksUntil(int frames, double ticksPerFrame) => checked((uint)Math.Round(frames * ticksPerFrame));
}
