using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>A file or folder that a reward was made from.</summary>
/// <param name="Path">Its full path when it was saved.</param>
/// <param name="Sha256">
/// SHA-256 of its content in hexadecimal digits; of a folder, of the names and hashes of the model files at its top, ordered by name.
/// </param>
internal sealed record FileReference(string Path, string Sha256)
{
    /// <summary>Whether there is a file or folder.</summary>
    /// <param name="path">Its path.</param>
    public static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

    /// <summary>Hashes a file or folder.</summary>
    /// <param name="path">Its path.</param>
    /// <exception cref="IOException">It is not there or cannot be read.</exception>
    public static FileReference Create(string path) => new(System.IO.Path.GetFullPath(path), Directory.Exists(path) ? HashFolder(path) : HashFile(path));

    private static string HashFile(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static string HashFolder(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in ModelFiles(path).Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{System.IO.Path.GetFileName(file)}\n{HashFile(file)}\n"));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // Configuration, vocabulary and weights at the top of a folder; a download may hold the weights again for other frameworks.
    private static IEnumerable<string> ModelFiles(string path)
    {
        string[] safetensors = Directory.GetFiles(path, "*.safetensors");
        string[] weights = safetensors.Length > 0 ? safetensors : Directory.GetFiles(path, "*.bin");
        return [.. Directory.GetFiles(path, "*.json"), .. Directory.GetFiles(path, "*.txt"), .. weights];
    }
}
