using ImageMagick;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>Videos as one PNG: a row each (two videos a row), their frames side by side, every pixel three wide.</summary>
internal static class ContactSheet
{
    private const int Gap = 2;
    private const int VideosARow = 2;

    /// <summary>videos: [N, 3, T, H, W], RGB in [0, 1].</summary>
    public static void Write(Tensor videos, string path)
    {
        using DisposeScope scope = NewDisposeScope();
        (long count, long frames, long height, long width) = (videos.shape[0], videos.shape[2], videos.shape[3], videos.shape[4]);
        long rows = (count + VideosARow - 1) / VideosARow;
        Tensor sheet = ones([3, rows * (height + Gap), VideosARow * frames * (width + Gap)]);
        for (long video = 0; video < count; video++)
        {
            for (long frame = 0; frame < frames; frame++)
            {
                long top = video / VideosARow * (height + Gap);
                long left = (((video % VideosARow) * frames) + frame) * (width + Gap);
                sheet.narrow(1, top, height).narrow(2, left, width).copy_(videos[video].select(1, frame));
            }
        }

        WriteImage(sheet, path, percent: 300);
    }

    /// <summary>One image as PNG. image: [3, H, W], RGB in [0, 1].</summary>
    public static void WriteImage(Tensor image, string path, int percent = 100)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor bytes = (image.clamp(0, 1) * 255).round().to_type(ScalarType.Byte).permute(1, 2, 0).contiguous();
        var settings = new MagickReadSettings { Width = (uint)image.shape[2], Height = (uint)image.shape[1], Depth = 8, Format = MagickFormat.Rgb };
        using var encoded = new MagickImage(bytes.data<byte>().ToArray(), settings);
        encoded.Sample(new Percentage(percent));
        encoded.Write(path, MagickFormat.Png);
    }
}
