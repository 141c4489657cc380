using Microsoft.ML.VideoAlignment.Media;
using Microsoft.ML.VideoAlignment.Video;
using SkiaSharp;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Images and videos, by file and through image columns.</summary>
internal static class ImageReaders
{
    public static IEnumerable<FuzzReader> All()
    {
        var limits = new ImageLimits { MaxPixels = 256 * 256 };
        Type[] documented = [typeof(InvalidDataException), typeof(FileNotFoundException)];
        byte[] png = Skia(SKEncodedImageFormat.Png), jpeg = Skia(SKEncodedImageFormat.Jpeg), webp = Skia(SKEncodedImageFormat.Webp), gif = Gif();
        foreach ((string name, byte[] seed) in new[] { ("a.png", png), ("a.jpg", ExifBytes.InJpeg(jpeg, 6)), ("a.webp", webp), ("a.gif", gif) })
        {
            yield return FuzzReader.OfFile($"image {name}", name, path =>
            {
                using var file = ImageFile.Open(path, limits);
                Assert.That(file.DecodeFrames().Take(100).Count(), Is.GreaterThan(0));
            }, [seed], documented) with
            { Words = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "eXIf", "acTL", "GIF89a", "RIFF", "WEBP", "VP8X", "Exif\0\0"] };
        }

        foreach ((string name, byte[] seed) in new[] { ("a.png", png), ("a.gif", gif) })
        {
            yield return FuzzReader.OfFile(
                $"VideoFile {name}", name, path => VideoFile.Read(path, new VideoReadOptions { MaxPixels = 256 * 256, MaxFrames = 16 }), [seed], documented);
            yield return FuzzReader.OfFile($"image column {name}", name, path => ImageDoors.ByPath(path, limits), [seed], documented)
                with
            { ThroughMlNet = true };
        }

        static byte[] Skia(SKEncodedImageFormat format)
        {
            using var bitmap = new SKBitmap(new SKImageInfo(12, 9, SKColorType.Rgba8888, SKAlphaType.Unpremul));
            for (int y = 0; y < 9; y++)
            {
                for (int x = 0; x < 12; x++)
                {
                    bitmap.SetPixel(x, y, new SKColor((byte)(x * 20), (byte)(y * 25), 90, (byte)(255 - x)));
                }
            }

            using SKData data = bitmap.Encode(format, 90);
            return data.ToArray();
        }

        static byte[] Gif()
        {
            using var folder = new TemporaryFolder();
            string path = folder.Path("a.gif");
            VideoFile.Write(path, new VideoClip([.. Enumerable.Range(0, 3 * 3 * 6 * 8).Select(i => i % 11 / 10f)], 3, 6, 8), framesPerSecond: 8);
            return File.ReadAllBytes(path);
        }
    }
}
