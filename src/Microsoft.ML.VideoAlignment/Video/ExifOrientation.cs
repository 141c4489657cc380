using System.Buffers.Binary;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Reads the orientation from a PNG file's eXIf chunk, which SkiaSharp does not read; it reads that of other formats.</summary>
internal static class ExifOrientation
{
    private const int EntryBytes = 12;
    private const ushort OrientationTag = 0x0112;
    private const ushort ShortType = 3;

    /// <summary>Returns the orientation, 1 to 8; 1 where the file states none.</summary>
    /// <param name="png">The content of a PNG file.</param>
    public static int ReadPng(ReadOnlySpan<byte> png) => InTiff(PngChunk.Find(png, "eXIf"u8));

    // Reads the entry of the first directory.
    private static int InTiff(ReadOnlySpan<byte> tiff)
    {
        if (tiff.Length < 8 || !(tiff.StartsWith("II*\0"u8) || tiff.StartsWith("MM\0*"u8)))
        {
            return ImageOrientation.Upright;
        }

        bool little = tiff[0] == 'I';
        uint directory = little ? BinaryPrimitives.ReadUInt32LittleEndian(tiff[4..]) : BinaryPrimitives.ReadUInt32BigEndian(tiff[4..]);
        if (directory > tiff.Length - 2)
        {
            return ImageOrientation.Upright;
        }

        ReadOnlySpan<byte> entries = tiff[((int)directory + 2)..];
        int count = Math.Min(Short(tiff[(int)directory..], little), entries.Length / EntryBytes);
        for (int entry = 0; entry < count; entry++)
        {
            ReadOnlySpan<byte> fields = entries.Slice(entry * EntryBytes, EntryBytes);
            if (Short(fields, little) == OrientationTag && Short(fields[2..], little) == ShortType)
            {
                return Short(fields[8..], little) is >= 1 and <= 8 and var orientation ? orientation : ImageOrientation.Upright;
            }
        }

        return ImageOrientation.Upright;
    }

    private static ushort Short(ReadOnlySpan<byte> bytes, bool little) =>
        little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes);
}
