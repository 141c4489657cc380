using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Identifies a set of weights: SHA-256 over names, dtypes, shapes and bytes in the order of the names.</summary>
/// <remarks>The file format, the order in the file and the sharding do not matter; a piece of one tensor at a time is in memory.</remarks>
internal static class WeightHash
{
    /// <summary>Computes the hash of one source.</summary>
    /// <param name="source">The source.</param>
    /// <returns>64 hexadecimal digits, lower case.</returns>
    public static string Compute(IWeightSource source) => Compute([new("", source)]);

    /// <summary>Computes the hash of several sources.</summary>
    /// <param name="parts">The sources by name, such as ("unet", ...), ("vae", ...).</param>
    /// <returns>64 hexadecimal digits, lower case.</returns>
    public static string Compute(IEnumerable<KeyValuePair<string, IWeightSource>> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string part, IWeightSource source) in parts.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            foreach ((string name, WeightInfo info) in source.Entries.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                // Lengths in front keep "a" + "bc" apart from "ab" + "c".
                hash.AppendData(Encoding.UTF8.GetBytes($"{part.Length}:{part}{name.Length}:{name}{info.Dtype}[{string.Join(',', info.Shape)}]"));
                source.ReadInPieces(name, unit: 1, piece => TensorSlices.CopyTo(piece, hash.AppendData));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Computes the hash of the weights in several components of a diffusers folder, each under its folder's name.</summary>
    /// <param name="files">The diffusers folder.</param>
    /// <param name="variant">The variant in the file names, such as "fp16"; null: none.</param>
    /// <param name="folders">The names of the components.</param>
    /// <returns>64 hexadecimal digits, lower case.</returns>
    public static string Compute(DiffusersFolder files, string? variant, params IReadOnlyList<string> folders)
    {
        var parts = new Dictionary<string, IWeightSource>(StringComparer.Ordinal);
        try
        {
            foreach (string folder in folders)
            {
                parts[folder] = files.OpenComponent(folder).OpenWeights(variant);
            }

            return Compute(parts);
        }
        finally
        {
            foreach (IWeightSource source in parts.Values)
            {
                source.Dispose();
            }
        }
    }
}
