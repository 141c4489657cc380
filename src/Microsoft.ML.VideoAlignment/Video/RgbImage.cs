using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>One image of 8-bit RGB values.</summary>
/// <param name="Bytes">[H, W, 3], row by row.</param>
/// <param name="Height">H in pixels.</param>
/// <param name="Width">W in pixels.</param>
internal sealed record RgbImage(byte[] Bytes, int Height, int Width)
{
    /// <summary>Lays pixels on white, as browsers show a transparent image.</summary>
    /// <remarks>
    /// Premultiplied pixels do not hold the color below full transparency, so this is the one rule that files and images in memory can share.
    /// </remarks>
    /// <param name="premultiplied">[H, W, 4], colors multiplied by alpha, which comes last.</param>
    /// <param name="height">H in pixels.</param>
    /// <param name="width">W in pixels.</param>
    /// <param name="blueFirst">Whether the order is blue, green, red.</param>
    public static RgbImage FromPremultiplied(ReadOnlySpan<byte> premultiplied, int height, int width, bool blueFirst = false)
    {
        byte[] bytes = new byte[checked(3 * height * width)];
        (int red, int blue) = blueFirst ? (2, 0) : (0, 2);
        for (int pixel = 0; pixel < height * width; pixel++)
        {
            ReadOnlySpan<byte> source = premultiplied.Slice(4 * pixel, 4);
            int white = 255 - source[3];
            bytes[3 * pixel] = (byte)Math.Min(255, source[red] + white);
            bytes[(3 * pixel) + 1] = (byte)Math.Min(255, source[1] + white);
            bytes[(3 * pixel) + 2] = (byte)Math.Min(255, source[blue] + white);
        }

        return new RgbImage(bytes, height, width);
    }

    /// <summary>Converts the image to a tensor, which the caller owns.</summary>
    /// <returns>[3, H, W], RGB in [0, 1], float32.</returns>
    public Tensor ToTensor()
    {
        using DisposeScope scope = NewDisposeScope();
        return tensor(Bytes, [Height, Width, 3]).permute(2, 0, 1).to(ScalarType.Float32).Div(255).contiguous().MoveToOuterDisposeScope();
    }
}
