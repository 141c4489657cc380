using ImageMagick;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>An image file as cameras, browsers and print shops write it, and the pixels it stands for.</summary>
/// <param name="Name">For the test's name.</param>
/// <param name="Extension">Of the file.</param>
/// <param name="Bytes">Makes the file.</param>
/// <param name="Expected">[H, W, 3].</param>
/// <param name="Tolerance">Of each value.</param>
public sealed record ImageKind(string Name, string Extension, Func<byte[]> Bytes, byte[] Expected, int Tolerance = 0)
{
    private const int Width = 6;
    private const int Height = 4;

    private static readonly byte[] s_rgb = [.. Enumerable.Range(0, Height * Width * 3).Select(index => (byte)(index * 37 % 256))];

    private static readonly byte[] s_gray = [.. Enumerable.Range(0, Height * Width).Select(index => (byte)(index * 10))];

    /// <summary>Every kind.</summary>
    public static IEnumerable<ImageKind> All()
    {
        byte[] alpha = [.. Enumerable.Range(0, Height * Width).Select(index => (byte)(index % 3 * 255 / 2))]; // 0, 127, 255
        byte[] palette = [255, 0, 0, 0, 255, 0, 0, 0, 255];
        byte[][] indices = Rows([.. Enumerable.Range(0, Height * Width).Select(index => (byte)(index % 3))], 1);
        byte[] doubled = [.. s_rgb.SelectMany(value => new[] { value, value })];

        yield return new("PNG", ".png", () => PngBytes.Write(Width, Height, 8, 2, Rows(s_rgb, 3)), s_rgb);
        yield return new("PNG gray", ".png", () => PngBytes.Write(Width, Height, 8, 0, Rows(s_gray, 1)), Thrice(s_gray));
        yield return new("PNG black and white", ".png", () => PngBytes.Write(8, 1, 1, 0, [[0b10110010]]), Thrice([255, 0, 255, 255, 0, 0, 255, 0]));
        yield return new("PNG 16 bit", ".png", () => PngBytes.Write(Width, Height, 16, 2, Rows(doubled, 6)), s_rgb);
        yield return new("PNG 16 bit gray", ".png",
            () => PngBytes.Write(Width, Height, 16, 0, Rows([.. s_gray.SelectMany(value => new[] { value, value })], 2)), Thrice(s_gray));
        yield return new(
            "PNG gray and alpha", ".png", () =>
            PngBytes.Write(Width, Height, 8, 4, Rows([.. s_gray.Zip(alpha, (value, a) => new[] { value, a }).SelectMany(pair => pair)], 2)),
            OnWhite(Thrice(s_gray), alpha), 1);
        yield return new(
            "PNG RGB and alpha", ".png",
            () => PngBytes.Write(Width, Height, 8, 6,
                Rows([.. Enumerable.Range(0, Height * Width).SelectMany(index => s_rgb[(3 * index)..((3 * index) + 3)].Append(alpha[index]))], 4)),
            OnWhite(s_rgb, alpha), 1);
        yield return new("PNG palette", ".png", () => PngBytes.Write(Width, Height, 8, 3, indices, ("PLTE", palette)),
            [.. indices.SelectMany(row => row).SelectMany(index => palette[(3 * index)..((3 * index) + 3)])]);
        yield return new(
            "PNG palette with transparency", ".png", () => PngBytes.Write(Width, Height, 8, 3, indices, ("PLTE", palette), ("tRNS", [0, 127, 255])),
            OnWhite([.. indices.SelectMany(row => row).SelectMany(index => palette[(3 * index)..((3 * index) + 3)])], alpha), 1);
        yield return new(
            "PNG with a transparent color", ".png", () => PngBytes.Write(Width, Height, 8, 0, Rows(s_gray, 1), ("tRNS", [0, 50])),
            Thrice([.. s_gray.Select(value => value == 50 ? (byte)255 : value)]));
        yield return new("PNG interlaced", ".png", () => Written(MagickFormat.Png24, image => image.Settings.Interlace = Interlace.Png), s_rgb);
        yield return new("PNG with gamma", ".png", () => PngBytes.Write(Width, Height, 8, 2, Rows(s_rgb, 3), ("gAMA", [0, 1, 0x86, 0xa0])), s_rgb);
        yield return new(
            "PNG with a profile", ".png",
            () => PngBytes.Write(Width, Height, 8, 2, Rows(s_rgb, 3),
                ("iCCP", [.. "wide\0\0"u8, .. PngBytes.Deflated(ColorProfiles.AdobeRGB1998.ToByteArray()!)])), s_rgb);
        yield return new("WebP", ".webp", () => Written(MagickFormat.WebP, image => image.Settings.SetDefine(MagickFormat.WebP, "lossless", true)), s_rgb);
        yield return new("BMP", ".bmp", () => Written(MagickFormat.Bmp3, _ => { }), s_rgb);

        // JPEG: flat blocks hold exactly these values.
        byte[][][] gray = [[[10], [200]]];
        yield return new("JPEG gray", ".jpg", () => FlatJpeg.Write(gray), Blocks([[10, 10, 10], [200, 200, 200]]));
        yield return new("JPEG", ".jpg", () => FlatJpeg.Write([[[76, 85, 255], [150, 44, 21]]]), Blocks([[254, 0, 0], [0, 255, 1]]), 2);
        yield return new("JPEG with a profile", ".jpg", () => InApp2(FlatJpeg.Write([[[76, 85, 255], [150, 44, 21]]])), Blocks([[254, 0, 0], [0, 255, 1]]), 2);
        byte[][][] inks = [[[255, 128, 0, 255], [200, 100, 50, 128]]]; // inverted, as Adobe's programs store them: 255 means without ink
        byte[] printed = Blocks([[255, 128, 0], [100, 50, 25]]);
        yield return new("JPEG CMYK", ".jpg", () => FlatJpeg.Write(inks, adobe: 0), printed, 1);
        yield return new("JPEG CMYK without a marker", ".jpg", () => FlatJpeg.Write(inks), printed, 1);
        yield return new("JPEG YCCK", ".jpg", () => FlatJpeg.Write([[[76, 85, 255, 255], [150, 44, 21, 128]]], adobe: 2),
            Blocks([[1, 255, 255], [128, 0, 127]]), 3);
        yield return new("JPEG progressive", ".jpg", () => Written(MagickFormat.Pjpeg, image => image.Quality = 100), s_rgb, 4);
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    private static byte[][] Rows(byte[] bytes, int bytesPerPixel) => [.. bytes.Chunk(Width * bytesPerPixel)];

    private static byte[] Thrice(byte[] gray) => [.. gray.SelectMany(value => new[] { value, value, value })];

    private static byte[] OnWhite(byte[] rgb, byte[] alpha) =>
        [.. rgb.Select((value, index) => (byte)Math.Round(255 - ((255 - value) * alpha[index / 3] / 255.0)))];

    /// <summary>8 x 8 pixels of each color, side by side.</summary>
    private static byte[] Blocks(byte[][] colors) =>
        [.. Enumerable.Range(0, 8).SelectMany(_ => colors.SelectMany(color => Enumerable.Repeat(color, 8).SelectMany(pixel => pixel)))];

    private static byte[] Written(MagickFormat format, Action<MagickImage> set)
    {
        using var image = new MagickImage();
        image.ReadPixels(s_rgb, new PixelReadSettings(Width, Height, StorageType.Char, PixelMapping.RGB));
        set(image);
        return image.ToByteArray(format);
    }

    private static byte[] InApp2(byte[] jpeg)
    {
        byte[] profile = [.. "ICC_PROFILE\0"u8, 1, 1, .. ColorProfiles.AdobeRGB1998.ToByteArray()!];
        return [.. jpeg[..2], 0xff, 0xe2, (byte)((profile.Length + 2) >> 8), (byte)(profile.Length + 2), .. profile, .. jpeg[2..]];
    }
}
