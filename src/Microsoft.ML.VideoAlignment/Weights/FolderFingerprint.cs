using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A quick identifier for the files of a folder, where <see cref="WeightHash"/> would read 19 GB.</summary>
/// <remarks>
/// It is SHA-256 over names and lengths, small files whole, and pieces spread over a large one. Good for caches: a copied file gives the same, one from another
/// training another.
/// </remarks>
internal static class FolderFingerprint
{
    private const int Pieces = 256;
    private const int PieceBytes = 16 << 10;

    /// <summary>Computes the fingerprint of the files in the folder itself, not in its subfolders.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>64 hexadecimal digits, lower case.</returns>
    public static string Compute(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string path in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            using var file = new FileBytes(path);
            string name = Path.GetFileName(path);
            hash.AppendData(Encoding.UTF8.GetBytes($"{name.Length}:{name}{file.Length};"));
            long count = Math.Min(Pieces, (file.Length + PieceBytes - 1) / PieceBytes);
            for (long piece = 0; piece < count; piece++)
            {
                // Evenly spread, the last one at the end; a file not larger than the pieces together is read whole.
                long start = count < Pieces ? piece * PieceBytes : piece * (file.Length - PieceBytes) / (Pieces - 1);
                hash.AppendData(file.Read(start, (int)Math.Min(PieceBytes, file.Length - start)));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
