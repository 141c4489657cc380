using System.Buffers.Binary;
using System.IO.Compression;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>PNG files byte by byte.</summary>
internal static class PngBytes
{
    /// <summary>A file of one image.</summary>
    /// <param name="width">As the header declares it.</param>
    /// <param name="height">As the header declares it.</param>
    /// <param name="depth">Bits a sample.</param>
    /// <param name="color">0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.</param>
    /// <param name="rows">The bytes of each row, unfiltered.</param>
    /// <param name="chunks">What stands between header and image.</param>
    public static byte[] Write(int width, int height, byte depth, byte color, byte[][] rows, params (string Type, byte[] Data)[] chunks)
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (depth, color);
        Chunk(file, "IHDR", header);
        foreach ((string type, byte[] data) in chunks)
        {
            Chunk(file, type, data);
        }

        Chunk(file, "IDAT", Deflated([.. rows.SelectMany(row => row.Prepend((byte)0))]));
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    /// <summary>As in IDAT and iCCP.</summary>
    public static byte[] Deflated(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var deflate = new ZLibStream(target, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(bytes);
        }

        return target.ToArray();
    }

    private static void Chunk(MemoryStream file, string type, byte[] data)
    {
        byte[] body = [.. type.Select(letter => (byte)letter), .. data];
        byte[] number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(body));
        file.Write(number);
    }

    private static uint Crc(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ (0xEDB88320u * (crc & 1));
            }
        }

        return ~crc;
    }
}
