using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>The pixels of an <see cref="MLImage"/>: four bytes each, the last one alpha, which is left out. Row by row.</summary>
internal sealed record MlImagePixels(byte[] Bytes, int Height, int Width, bool BlueFirst)
{
    public static MlImagePixels Read(MLImage image) =>
        new(MlNetInterop.PixelsOf(image), image.Height, image.Width, image.PixelFormat == MLPixelFormat.Bgra32);

    /// <summary>[3, H, W], RGB in [0, 1], float32.</summary>
    public Tensor ToTensor()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor channels = tensor(Bytes, [Height, Width, 4]).permute(2, 0, 1).narrow(0, 0, 3).to(ScalarType.Float32) / 255;
        return (BlueFirst ? channels.flip(0) : channels).contiguous().MoveToOuterDisposeScope();
    }
}
