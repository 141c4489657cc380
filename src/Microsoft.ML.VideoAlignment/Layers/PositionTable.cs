namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Learned positions of image patches, brought to another grid than the trained one.</summary>
internal static class PositionTable
{
    /// <summary>
    /// rows: [N, h*w, D], row by row over the trained grid -> [N, rows*columns, D]. Bicubic (a = -0.75), the target given as a size, align_corners false, no
    /// antialiasing: transformers' interpolate_pos_encoding. The same grid comes back as it is.
    /// </summary>
    public static Tensor Resize(Tensor table, (long Rows, long Columns) trained, (long Rows, long Columns) wanted)
    {
        if (trained == wanted)
        {
            return table.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor image = table.view(table.shape[0], trained.Rows, trained.Columns, -1).permute(0, 3, 1, 2);
        Tensor resized = nn.functional.interpolate(image, size: [wanted.Rows, wanted.Columns], mode: InterpolationMode.Bicubic, align_corners: false);
        return resized.permute(0, 2, 3, 1).flatten(1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same for a video's patches, ordered time, row, column: [N, t*h*w, D] -> [N, frames*rows*columns, D]. Trilinear, align_corners false: V-JEPA's
    /// interpolate_pos_encoding.
    /// </summary>
    public static Tensor Resize(Tensor table, (long Frames, long Rows, long Columns) trained, (long Frames, long Rows, long Columns) wanted)
    {
        if (trained == wanted)
        {
            return table.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor video = table.view(table.shape[0], trained.Frames, trained.Rows, trained.Columns, -1).permute(0, 4, 1, 2, 3);
        Tensor resized = nn.functional.interpolate(video, size: [wanted.Frames, wanted.Rows, wanted.Columns], mode: InterpolationMode.Trilinear, align_corners: false);
        return resized.permute(0, 2, 3, 4, 1).flatten(1, 3).MoveToOuterDisposeScope();
    }
}
