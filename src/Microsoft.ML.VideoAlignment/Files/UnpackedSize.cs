namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Limits how much the packed parts of an archive may unpack to.</summary>
/// <remarks>Deflate makes a thousand bytes of one, while weights give at most a few: an archive that promises more was made to fill memory or a disk.</remarks>
internal static class UnpackedSize
{
    // Allowed whatever the packed size, for small files such as a vocabulary or weights that are all zero.
    private const long SmallFileBytes = 32 << 20;

    private const int Ratio = 32;

    /// <summary>The largest number of bytes that parts of a packed size may unpack to.</summary>
    /// <param name="packed">Their total size in the archive, in bytes.</param>
    public static long MaxUnpackedBytes(long packed) => packed > (long.MaxValue - SmallFileBytes) / Ratio ? long.MaxValue : SmallFileBytes + (packed * Ratio);

    /// <summary>Describes what is wrong with the sizes; null where they are acceptable.</summary>
    /// <param name="packed">The total size in the archive, in bytes.</param>
    /// <param name="unpacked">The size that the archive declares after unpacking, in bytes.</param>
    public static string? FindProblem(long packed, decimal unpacked) => unpacked <= MaxUnpackedBytes(packed) ? null
        : $"{packed} packed bytes would unpack to {unpacked}; at most {MaxUnpackedBytes(packed)} are accepted of that many: "
            + "it is damaged, or made to fill memory or a disk";
}
