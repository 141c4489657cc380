namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>How a video is cut into overlapping tiles that are decoded alone and blended, as the reference's option has it; sizes in pixels.</summary>
/// <remarks>
/// Pixels near the seams differ from those of the whole video, since a tile knows nothing of its neighbors. Tiles that are exact would need the halo of every
/// convolution, the middle's attention over the whole image, and so belong between the middle and the levels (<see cref="WanVaeDecoder"/>).
/// </remarks>
internal sealed record WanVaeTiling
{
    /// <summary>Rows of a tile.</summary>
    public long MinHeight { get; init; } = 256;

    /// <summary>Columns of a tile.</summary>
    public long MinWidth { get; init; } = 256;

    /// <summary>Rows from one tile to the next.</summary>
    public long StrideHeight { get; init; } = 192;

    /// <summary>Columns from one tile to the next.</summary>
    public long StrideWidth { get; init; } = 192;

    /// <summary>Checks the sizes.</summary>
    /// <param name="factor">Pixels per latent along each side.</param>
    /// <exception cref="ArgumentException">A size is not a multiple of the factor, or tiles would leave gaps.</exception>
    public void Require(long factor)
    {
        foreach ((string name, long size) in new[]
            {
                (nameof(MinHeight), MinHeight), (nameof(MinWidth), MinWidth), (nameof(StrideHeight), StrideHeight), (nameof(StrideWidth), StrideWidth),
            })
        {
            if (size < factor || size % factor != 0)
            {
                throw new ArgumentException($"{name}: expected a multiple of the {factor} pixels of a latent, got {size}.", name);
            }
        }

        if (StrideHeight > MinHeight || StrideWidth > MinWidth)
        {
            throw new ArgumentException(
                $"{nameof(StrideHeight)} and {nameof(StrideWidth)}: expected at most {MinHeight} x {MinWidth} pixels, got {StrideHeight} x {StrideWidth}.");
        }
    }
}
