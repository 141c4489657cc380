namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Frames of a clip [B, C, T, ...] by their index.</summary>
internal static class FrameSelection
{
    /// <summary>clip: [B, C, T, ...] -> [B, C, n, ...], the frames in the order asked for.</summary>
    public static Tensor Select(Tensor clip, IEnumerable<int> frames)
    {
        long[] indices = [.. frames.Select(frame => (long)frame)];
        if (MetaOps.IsMeta(clip))
        {
            return MetaOps.Select(clip, 2, indices.Length);
        }

        using Tensor chosen = tensor(indices, device: clip.device);
        return clip.index_select(2, chosen);
    }
}
