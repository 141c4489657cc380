using ImageMagick;

namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>Films as one PNG: a row each (two films a row), their frames side by side, every pixel three wide.</summary>
internal static class ContactSheet
{
    private const int Gap = 2;
    private const int FilmsARow = 2;

    /// <summary>films: [N, 3, T, H, W], RGB in [0, 1].</summary>
    public static void Write(Tensor films, string path)
    {
        using DisposeScope scope = NewDisposeScope();
        (long count, long frames, long height, long width) = (films.shape[0], films.shape[2], films.shape[3], films.shape[4]);
        long rows = (count + FilmsARow - 1) / FilmsARow;
        Tensor sheet = ones([3, rows * (height + Gap), FilmsARow * frames * (width + Gap)]);
        for (long film = 0; film < count; film++)
        {
            for (long frame = 0; frame < frames; frame++)
            {
                long top = film / FilmsARow * (height + Gap);
                long left = (((film % FilmsARow) * frames) + frame) * (width + Gap);
                sheet.narrow(1, top, height).narrow(2, left, width).copy_(films[film].select(1, frame));
            }
        }

        WritePicture(sheet, path, percent: 300);
    }

    /// <summary>One picture as PNG. picture: [3, H, W], RGB in [0, 1].</summary>
    public static void WritePicture(Tensor picture, string path, int percent = 100)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor bytes = (picture.clamp(0, 1) * 255).round().to_type(ScalarType.Byte).permute(1, 2, 0).contiguous();
        var settings = new MagickReadSettings { Width = (uint)picture.shape[2], Height = (uint)picture.shape[1], Depth = 8, Format = MagickFormat.Rgb };
        using var image = new MagickImage(bytes.data<byte>().ToArray(), settings);
        image.Sample(new Percentage(percent));
        image.Write(path, MagickFormat.Png);
    }
}
