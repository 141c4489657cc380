namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Selects frames of a video by their index.</summary>
internal static class FrameSelection
{
    /// <summary>Selects frames, in the order asked for.</summary>
    /// <param name="video">[B, C, T, ...].</param>
    /// <param name="frames">Indices from 0; one may come more than once.</param>
    /// <returns>[B, C, n, ...].</returns>
    public static Tensor Select(Tensor video, IEnumerable<int> frames)
    {
        long[] indices = [.. frames.Select(frame => (long)frame)];
        using Tensor chosen = DeviceTable.Create(indices, video.device);
        return Ops.IndexSelect(video, 2, chosen);
    }
}
