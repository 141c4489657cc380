namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Learned positions of image patches, brought to another grid than the trained one.</summary>
internal static class PositionTable
{
    /// <summary>
    /// Brings the positions of an image's patches to another grid: transformers' interpolate_pos_encoding. The same grid comes back as it is.
    /// </summary>
    /// <param name="table">[N, h*w, D], row by row over the trained grid.</param>
    /// <param name="trained">h and w.</param>
    /// <param name="wanted">The grid that is wanted.</param>
    /// <returns>[N, rows*columns, D].</returns>
    /// <remarks>Bicubic (a = -0.75), the target given as a size, align_corners false, no antialiasing.</remarks>
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

    /// <summary>Brings the positions of a video's patches to another grid: V-JEPA's interpolate_pos_encoding (trilinear, align_corners false).</summary>
    /// <param name="table">[N, t*h*w, D], ordered time, row, column.</param>
    /// <param name="trained">t, h and w.</param>
    /// <param name="wanted">The grid that is wanted.</param>
    /// <returns>[N, frames*rows*columns, D].</returns>
    public static Tensor Resize(Tensor table, (long Frames, long Rows, long Columns) trained, (long Frames, long Rows, long Columns) wanted)
    {
        if (trained == wanted)
        {
            return table.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor video = table.view(table.shape[0], trained.Frames, trained.Rows, trained.Columns, -1).permute(0, 4, 1, 2, 3);
        Tensor resized = nn.functional.interpolate(
            video, size: [wanted.Frames, wanted.Rows, wanted.Columns], mode: InterpolationMode.Trilinear, align_corners: false);
        return resized.permute(0, 2, 3, 4, 1).flatten(1, 3).MoveToOuterDisposeScope();
    }
}
