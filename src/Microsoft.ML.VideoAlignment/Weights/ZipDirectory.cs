using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Reads the central directory of a zip archive (PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16, with zip64) and checks it.</summary>
/// <remarks>
/// Names are unique and harmless, records lie within the file and do not overlap, each local header agrees with its entry. .NET's ZipArchive is more lenient
/// than weights need.
/// </remarks>
internal static class ZipDirectory
{
    private const int MaxDirectoryBytes = 16 << 20;

    /// <summary>One record.</summary>
    /// <param name="Name">Its path in the archive, with '/'.</param>
    /// <param name="Method">0: stored, 8: deflated.</param>
    /// <param name="Crc">The CRC-32 of its content.</param>
    /// <param name="CompressedSize">Its bytes in the archive.</param>
    /// <param name="Size">Its bytes after unpacking.</param>
    /// <param name="HeaderOffset">The offset of its local header in the file.</param>
    public sealed record Entry(string Name, int Method, uint Crc, long CompressedSize, long Size, long HeaderOffset)
    {
        /// <summary>The offset of its bytes in the file, after the local header.</summary>
        public long DataOffset { get; init; }
    }

    public static Dictionary<string, Entry> Read(FileBytes file)
    {
        (long directory, long size, long count) = FindDirectory(file);
        if (size > MaxDirectoryBytes)
        {
            throw file.Fault($"has a zip directory of {size} bytes, more than {MaxDirectoryBytes}.");
        }

        byte[] bytes = file.Read(directory, (int)size);
        var entries = new Dictionary<string, Entry>(StringComparer.Ordinal);
        int position = 0;
        long read = 0;
        while (position < bytes.Length)
        {
            Entry entry = ReadEntry(file, bytes, ref position, directory);
            read++;
            if (!entries.TryAdd(entry.Name, entry))
            {
                throw file.Fault($"zip record '{entry.Name}' occurs twice; which one is read must not depend on the reader.");
            }
        }

        if (read != count)
        {
            throw file.Fault($"the zip directory announces {count} records and lists {read}.");
        }

        return Locate(file, entries, directory);
    }

    // The end record: the last 22 bytes, or up to 64 KB before the end where there is a comment.
    private static (long Offset, long Size, long Count) FindDirectory(FileBytes file)
    {
        int length = (int)Math.Min(file.Length, 22 + ushort.MaxValue);
        byte[] tail = file.Read(file.Length - length, length);
        for (int at = length - 22; at >= 0; at--)
        {
            ReadOnlySpan<byte> end = tail.AsSpan(at);
            if (Int(end, 0) != 0x06054b50 || Short(end, 20) != end.Length - 22)
            {
                continue;
            }

            long place = file.Length - length + at;
            (long offset, long size, long count, long limit) = (Int(end, 16), Int(end, 12), Short(end, 10), place);
            if (Short(end, 4) != 0 || Short(end, 6) != 0 || Short(end, 8) != Short(end, 10))
            {
                throw file.Fault("is a zip archive in several volumes.");
            }

            // torch.save writes the 64-bit record always; where both records have a number they must agree.
            bool wide = offset == uint.MaxValue || size == uint.MaxValue || count == ushort.MaxValue;
            if (Zip64(file, place, wide) is { } record)
            {
                bool agree = (offset == uint.MaxValue || offset == record.Offset) && (size == uint.MaxValue || size == record.Size)
                    && (count == ushort.MaxValue || count == record.Count);
                (offset, size, count, limit) = agree ? record : throw file.Fault("the zip archive's two end records contradict each other.");
            }

            return offset >= 0 && size >= 0 && offset <= limit && size == limit - offset
                ? (offset, size, count)
                : throw file.Fault($"the zip directory should be at byte {offset} with {size} bytes, which does not end at its end record (byte {limit}).");
        }

        throw file.Fault("it begins as a zip archive (what torch.save writes), but the directory at the end of the archive is missing: the file is truncated.");
    }

    // The zip64 end record that a locator before the end record points to; null where there is none.
    private static (long Offset, long Size, long Count, long Limit)? Zip64(FileBytes file, long end, bool required)
    {
        byte[] locator = end >= 20 ? file.Read(end - 20, 20) : new byte[20];
        if (Int(locator, 0) != 0x07064b50)
        {
            return required ? throw file.Fault("is a zip64 archive without its zip64 end record: damaged.") : null;
        }

        long place = Long(locator, 8);
        byte[] record = place >= 0 && place <= end - 76 ? file.Read(place, 56) : new byte[56];
        return Int(record, 0) == 0x06064b50
            ? (Long(record, 48), Long(record, 40), Long(record, 32), place)
            : throw file.Fault("the zip64 end record is not where its locator says: damaged.");
    }

    private static Entry ReadEntry(FileBytes file, byte[] directory, ref int position, long directoryOffset)
    {
        ReadOnlySpan<byte> rest = directory.AsSpan(position);
        if (rest.Length < 46 || Int(rest, 0) != 0x02014b50)
        {
            throw file.Fault($"the zip directory is damaged at byte {directoryOffset + position}.");
        }

        int nameLength = Short(rest, 28), extraLength = Short(rest, 30), total = 46 + nameLength + extraLength + Short(rest, 32);
        if (total > rest.Length)
        {
            throw file.Fault($"the zip directory is damaged at byte {directoryOffset + position}.");
        }

        string name = Encoding.UTF8.GetString(rest.Slice(46, nameLength));
        (long compressed, long size, long offset) = (Int(rest, 20), Int(rest, 24), Int(rest, 42));
        ReadOnlySpan<byte> wide = Extra(rest.Slice(46 + nameLength, extraLength), 1);
        size = Widen(size, ref wide);
        compressed = Widen(compressed, ref wide);
        offset = Widen(offset, ref wide);
        position += total;
        var entry = new Entry(name, Method: Short(rest, 10), (uint)Int(rest, 16), compressed, size, offset);
        Require(file, entry, flags: Short(rest, 8), directoryOffset);
        return entry;

        long Widen(long value, ref ReadOnlySpan<byte> extra)
        {
            if (value != uint.MaxValue)
            {
                return value;
            }

            if (extra.Length < 8)
            {
                throw file.Fault($"zip record '{name}' lacks its 64-bit sizes.");
            }

            long widened = Long(extra, 0);
            extra = extra[8..];
            return widened;
        }
    }

    // A record is read only where its name leads nowhere else, its packing is one that is read here, and its bytes lie before the directory.
    private static void Require(FileBytes file, Entry entry, int flags, long directoryOffset)
    {
        (string name, long compressed, long offset) = (entry.Name, entry.CompressedSize, entry.HeaderOffset);
        bool harmless = name.Length > 0 && name[0] != '/' && name.AsSpan().IndexOfAny('\\', '\0', ':') < 0
            && !name.Split('/').Any(part => part is ".." or ".") && !name.Contains("//", StringComparison.Ordinal);
        if (!harmless)
        {
            throw file.Fault($"zip record name '{name}' is not a harmless relative name.");
        }

        if ((flags & 0x2041) != 0)
        {
            throw file.Fault($"zip record '{name}' is encrypted.");
        }

        if (entry.Method is not (0 or 8) || (entry.Method == 0 && compressed != entry.Size))
        {
            throw file.Fault($"zip record '{name}' is packed by method {entry.Method} ({compressed} bytes for {entry.Size}); "
                + "only stored and deflated records are supported.");
        }

        if (compressed < 0 || entry.Size < 0 || offset < 0 || offset > directoryOffset || compressed > directoryOffset - offset)
        {
            throw file.Fault($"zip record '{name}' should have {compressed} bytes at byte {offset}, beyond the records' end at {directoryOffset}.");
        }
    }

    // Reads the local headers, which say where the data begin. Records must not share bytes.
    private static Dictionary<string, Entry> Locate(FileBytes file, Dictionary<string, Entry> entries, long directory)
    {
        long end = 0;
        var located = new Dictionary<string, Entry>(StringComparer.Ordinal);
        foreach (Entry entry in entries.Values.OrderBy(entry => entry.HeaderOffset))
        {
            byte[] header = directory - entry.HeaderOffset >= 30 ? file.Read(entry.HeaderOffset, 30) : new byte[30];
            int nameLength = Short(header, 26);
            long data = entry.HeaderOffset + 30 + nameLength + Short(header, 28);
            bool sound = Int(header, 0) == 0x04034b50 && entry.HeaderOffset >= end && data <= directory && entry.CompressedSize <= directory - data
                && Short(header, 8) == entry.Method && (Short(header, 6) & 0x2041) == 0
                && Encoding.UTF8.GetString(file.Read(entry.HeaderOffset + 30, nameLength)) == entry.Name;
            if (!sound)
            {
                throw file.Fault($"the local header of zip record '{entry.Name}' at byte {entry.HeaderOffset} does not agree with the directory, "
                    + "or the record overlaps its neighbor.");
            }

            end = data + entry.CompressedSize;
            located.Add(entry.Name, entry with { DataOffset = data });
        }

        return located;
    }

    private static ReadOnlySpan<byte> Extra(ReadOnlySpan<byte> extra, int id)
    {
        while (extra.Length >= 4 && Short(extra, 2) <= extra.Length - 4)
        {
            int length = Short(extra, 2);
            if (Short(extra, 0) == id)
            {
                return extra.Slice(4, length);
            }

            extra = extra[(4 + length)..];
        }

        return [];
    }

    private static int Short(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static long Int(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
