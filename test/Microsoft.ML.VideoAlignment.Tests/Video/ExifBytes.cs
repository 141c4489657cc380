namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Exif metadata that holds an orientation.</summary>
internal static class ExifBytes
{
    /// <summary>A TIFF directory of one entry, as PNG's eXIf chunk holds it.</summary>
    public static byte[] Orientation(int orientation, bool little = false) => little
        ? [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0, 0, 0, 0, 0]
        : [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0];

    /// <summary>A JPEG file with the metadata after its first marker.</summary>
    public static byte[] InJpeg(byte[] jpeg, int orientation)
    {
        byte[] exif = [.. "Exif\0\0"u8, .. Orientation(orientation)];
        return [.. jpeg[..2], 0xff, 0xe1, 0, (byte)(exif.Length + 2), .. exif, .. jpeg[2..]];
    }

    /// <summary>A lossless WebP file (one VP8L chunk) in the extended form, with the metadata after its image.</summary>
    public static byte[] InWebP(byte[] webP, int width, int height, int orientation)
    {
        byte[] exif = Orientation(orientation);
        byte[] extended = [.. "VP8X"u8, 10, 0, 0, 0, 0x08, 0, 0, 0, (byte)(width - 1), 0, 0, (byte)(height - 1), 0, 0];
        byte[] body = [.. "WEBP"u8, .. extended, .. webP[12..], .. "EXIF"u8, (byte)exif.Length, 0, 0, 0, .. exif];
        return [.. "RIFF"u8, (byte)body.Length, (byte)(body.Length >> 8), 0, 0, .. body];
    }
}
