namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>JPEG files of flat 8 x 8 blocks, byte by byte: every value of every component comes back exactly.</summary>
internal static class FlatJpeg
{
    private const int Difference = 12; // one code of 4 bits for each size of a difference, 0 to 11

    /// <summary>A baseline file.</summary>
    /// <param name="blocks">[rows][columns][components]: 1 gray, 3 YCbCr, 4 CMYK or YCCK; the stored values, 0 to 255.</param>
    /// <param name="adobe">The color transform of an Adobe marker: 0 none, 1 YCbCr, 2 YCCK; null: no marker.</param>
    public static byte[] Write(byte[][][] blocks, byte? adobe = null)
    {
        (int rows, int columns, int components) = (blocks.Length, blocks[0].Length, blocks[0][0].Length);
        var file = new List<byte> { 0xff, 0xd8 };
        if (adobe is { } transform)
        {
            Segment(file, 0xee, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, transform]);
        }

        Segment(file, 0xdb, [0, .. Enumerable.Repeat((byte)1, 64)]);
        Segment(file, 0xc0,
        [
            8, (byte)(rows * 8 >> 8), (byte)(rows * 8), (byte)(columns * 8 >> 8), (byte)(columns * 8), (byte)components,
            .. Enumerable.Range(1, components).SelectMany(component => new byte[] { (byte)component, 0x11, 0 }),
        ]);
        byte[] fourBits = [0, 0, 0, Difference, .. new byte[12], .. Enumerable.Range(0, Difference).Select(size => (byte)size)];
        Segment(file, 0xc4, [0x00, .. fourBits]);
        Segment(file, 0xc4, [0x10, 1, .. new byte[15], 0]); // one code of one bit: end of block
        Segment(file, 0xda, [(byte)components, .. Enumerable.Range(1, components).SelectMany(component => new byte[] { (byte)component, 0 }), 0, 63, 0]);

        var bits = new List<bool>();
        int[] last = new int[components];
        foreach (byte[] block in blocks.SelectMany(row => row))
        {
            for (int component = 0; component < components; component++)
            {
                int level = 8 * (block[component] - 128);
                int difference = level - last[component];
                last[component] = level;
                int size = difference == 0 ? 0 : (int)Math.Log2(Math.Abs(difference)) + 1;
                Add(bits, size, 4);
                Add(bits, difference < 0 ? difference + (1 << size) - 1 : difference, size);
                Add(bits, 0, 1);
            }
        }

        while (bits.Count % 8 != 0)
        {
            bits.Add(true);
        }

        foreach (bool[] eight in bits.Chunk(8))
        {
            byte value = eight.Aggregate((byte)0, (sum, bit) => (byte)((sum << 1) | (bit ? 1 : 0)));
            file.Add(value);
            if (value == 0xff)
            {
                file.Add(0);
            }
        }

        return [.. file, 0xff, 0xd9];
    }

    private static void Add(List<bool> bits, int value, int count)
    {
        for (int bit = count - 1; bit >= 0; bit--)
        {
            bits.Add(((value >> bit) & 1) != 0);
        }
    }

    private static void Segment(List<byte> file, byte marker, byte[] data) =>
        file.AddRange([0xff, marker, (byte)((data.Length + 2) >> 8), (byte)(data.Length + 2), .. data]);
}
