using System.Text;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Opens a weight file by what is in it, whatever its name; a file of another kind is refused with what it looks like.</summary>
internal static class WeightFile
{
    private const int HeadBytes = 512;

    /// <summary>Opens safetensors, PyTorch zip, PyTorch legacy files and indexes of shards.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entry">The dict of a PyTorch file in which the tensors lie, such as "state_dict"; null: the top.</param>
    /// <exception cref="WeightFileException">The file is missing, unsound or of another kind, or has no such entry.</exception>
    public static IWeightSource Open(string path, string? entry = null)
    {
        byte[] head = Head(path, out _);
        IWeightSource source = head.Length > 0 && head[0] == '{' ? new ShardedWeights(path) : OpenSingle(path);
        try
        {
            if (source is TorchFile torch)
            {
                torch.Select(entry);
            }
            else if (entry is not null)
            {
                throw new WeightFileException(path, $"entry '{entry}' was asked for, but only files of torch.save have entries; leave it out.");
            }

            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Opens a PyTorch file of either form for its <see cref="TorchFile.Root"/>; no entry is chosen yet.</summary>
    /// <exception cref="WeightFileException">The file is no PyTorch file, or no sound one.</exception>
    public static TorchFile OpenTree(string path)
    {
        IWeightSource source = OpenSingle(path);
        if (source is TorchFile torch)
        {
            return torch;
        }

        source.Dispose();
        throw new WeightFileException(path, "is a safetensors file; a file of torch.save was asked for.");
    }

    /// <summary>As <see cref="Open"/>, without indexes: an index of indexes would have no end.</summary>
    public static IWeightSource OpenSingle(string path)
    {
        byte[] head = Head(path, out long length);
        if (head.AsSpan().StartsWith("PK\x03\x04"u8) || head.AsSpan().StartsWith("PK\x05\x06"u8))
        {
            return new TorchZipFile(path);
        }

        bool named = path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (IsSafetensors(head, length) || (named && LooksLike(head) is null))
        {
            return new SafetensorsFile(path);
        }

        return head.Length > 0 && head[0] == 0x80
            ? new TorchLegacyFile(path)
            : throw new WeightFileException(path, $"no weight file that is read here (safetensors, torch.save, index of shards): {LooksLike(head) ?? $"it begins with the bytes {Convert.ToHexString(head.AsSpan(0, Math.Min(16, head.Length)))}"}.");
    }

    private static byte[] Head(string path, out long length)
    {
        using var file = new FileBytes(path);
        length = file.Length;
        return file.Read(0, (int)Math.Min(length, HeadBytes));
    }

    private static bool IsSafetensors(byte[] head, long length) =>
        head.Length > 8 && head[8] == '{' && BitConverter.ToUInt64(head) is var header && header <= SafetensorsHeader.MaxLength && header <= (ulong)length - 8;

    /// <summary>What a file that is no weight file looks like, or null.</summary>
    private static string? LooksLike(byte[] head)
    {
        string text = Encoding.Latin1.GetString(head).TrimStart('\ufeff', '\u00ef', '\u00bb', '\u00bf', ' ', '\t', '\r', '\n');
        bool Starts(string with) => text.StartsWith(with, StringComparison.OrdinalIgnoreCase);
        return head.Length == 0 ? "it is empty (0 bytes)"
            : Starts("version https://git-lfs") ? "it is a Git LFS pointer, the stand-in for a file that was not downloaded; fetch it with 'git lfs pull'"
            : Starts("<!doctype") || Starts("<html") || Starts("<?xml") || Starts("<head") ? "it is a web page, such as a download that ended at a login or an error"
            : Starts("{") ? "it is JSON"
            : Starts("GGUF") ? "it is a GGUF file"
            : Starts("\u0089HDF") ? "it is an HDF5 file (Keras)"
            : Starts("\u0093NUMPY") ? "it is a NumPy array"
            : Starts("\u001f\u008b") ? "it is gzip-compressed; unpack it first"
            : Starts("Rar!") || Starts("7z\u00bc\u00af") ? "it is an archive; unpack it first"
            : head.Length > 262 && Encoding.Latin1.GetString(head, 257, 5) == "ustar" ? "it is a tar archive; unpack it first"
            : Starts("(") || Starts("c__") || Starts("cposix") ? "it looks like a bare pickle of protocol 0"
            : null;
    }
}
