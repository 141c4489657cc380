using System.Runtime.InteropServices;
using ImageMagick;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>How large frames are as JPEG files of quality 95.</summary>
internal static class JpegSize
{
    private const uint Quality = 95;
    private const float BytesPerKilobyte = 1000;

    /// <summary>frames: [N, 3, H, W] in [0, 1] -> kB [N].</summary>
    public static Tensor Kilobytes(ShapesVideo[] videos, Tensor frames)
    {
        using DisposeScope scope = NewDisposeScope();
        (int count, uint height, uint width) = ((int)frames.shape[0], (uint)frames.shape[2], (uint)frames.shape[3]);
        byte[] bytes = (frames.permute(0, 2, 3, 1).contiguous() * 255).round().clamp(0, 255).to_type(ScalarType.Byte).data<byte>().ToArray();
        float[] sizes = new float[count];
        int length = bytes.Length / Math.Max(1, count);
        Parallel.For(0, count, i =>
        {
            using var image = new MagickImage();
            image.ReadPixels(MemoryMarshal.CreateReadOnlySpan(ref bytes[i * length], length),
                new PixelReadSettings(width, height, StorageType.Char, PixelMapping.RGB));
            image.Quality = Quality;
            sizes[i] = image.ToByteArray(MagickFormat.Jpeg).Length / BytesPerKilobyte;
        });
        return tensor(sizes).MoveToOuterDisposeScope();
    }
}
