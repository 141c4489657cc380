using System.Buffers.Binary;

namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Parts of a PNG file that SkiaSharp does not read.</summary>
internal static class PngChunk
{
    private const int Signature = 8;
    private const int Frame = 12; // length, type, check sum

    /// <summary>Finds the content of the first chunk of a type.</summary>
    /// <param name="png">The content of a PNG file.</param>
    /// <param name="type">Four letters, such as "eXIf".</param>
    /// <returns>The content; empty if the file has no such chunk, or is cut before it.</returns>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> png, ReadOnlySpan<byte> type)
    {
        for (long at = Signature; at + Frame <= png.Length;)
        {
            ReadOnlySpan<byte> chunk = png[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32BigEndian(chunk);
            if (length > chunk.Length - Frame)
            {
                break;
            }

            if (chunk[4..8].SequenceEqual(type))
            {
                return chunk.Slice(8, (int)length);
            }

            at += Frame + length;
        }

        return [];
    }

    /// <summary>Reads the number of frames that an animated PNG declares (acTL); 1 for a still image.</summary>
    /// <param name="png">The content of a PNG file.</param>
    public static uint FrameCount(ReadOnlySpan<byte> png) =>
        Find(png, "acTL"u8) is { Length: >= 4 } control ? Math.Max(1, BinaryPrimitives.ReadUInt32BigEndian(control)) : 1;
}
