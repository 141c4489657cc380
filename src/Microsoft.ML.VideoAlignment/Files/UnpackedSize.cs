namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>
/// How much the packed parts of an archive may unpack to. Deflate makes a thousand bytes of one; weights give at most a few, so an archive that
/// promises more was made to fill memory or a disk.
/// </summary>
internal static class UnpackedSize
{
    /// <summary>What small files may have whatever their packed size, such as a vocabulary or weights that are all zero.</summary>
    private const long Free = 32 << 20;

    private const int Ratio = 32;

    /// <summary>The most bytes that parts of a packed size may unpack to.</summary>
    /// <param name="packed">Their bytes in the archive, all together.</param>
    public static long Most(long packed) => packed > (long.MaxValue - Free) / Ratio ? long.MaxValue : Free + (packed * Ratio);

    /// <summary>What is wrong with the sizes; null: nothing.</summary>
    /// <param name="packed">Bytes in the archive, all together.</param>
    /// <param name="unpacked">Bytes that the archive says they unpack to.</param>
    public static string? Fault(long packed, decimal unpacked) => unpacked <= Most(packed) ? null
        : $"{packed} packed bytes are to unpack to {unpacked}, more than the {Most(packed)} that are unpacked of so few: "
            + "it is damaged, or made to fill memory or a disk";
}
