using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Opens a weight file by its content, whatever its name; a file of another kind is refused with what it looks like.</summary>
internal static class WeightFile
{
    /// <summary>Opens safetensors, PyTorch zip and PyTorch legacy files and indexes of shards.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entry">The dict of a PyTorch file that holds the tensors, such as "state_dict"; null: the top.</param>
    /// <exception cref="WeightFileException">The file is missing, unsound or of another kind, or has no such entry.</exception>
    public static IWeightSource Open(string path, string? entry = null)
    {
        byte[] head = Head(path, out long length);
        IWeightSource source = FileSignatures.IsJson(head) && !IsSafetensors(head, length) ? new ShardedWeights(path) : OpenSingle(path);
        try
        {
            if (source is TorchFile torch)
            {
                torch.Select(entry);
            }
            else if (entry is not null)
            {
                throw new WeightFileException(path, $"entry '{entry}' was requested, but only files of torch.save have entries; omit it.");
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
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is not a PyTorch file, or not a sound one.</exception>
    public static TorchFile OpenTree(string path)
    {
        IWeightSource source = OpenSingle(path);
        if (source is TorchFile torch)
        {
            return torch;
        }

        source.Dispose();
        throw new WeightFileException(path, "is a safetensors file; a file of torch.save is expected.");
    }

    /// <summary>Opens a file like <see cref="Open"/>, but not an index: an index of indexes would have no end.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is missing, unsound or of another kind.</exception>
    public static IWeightSource OpenSingle(string path)
    {
        byte[] head = Head(path, out long length);
        if (head.AsSpan().StartsWith("PK\x03\x04"u8) || head.AsSpan().StartsWith("PK\x05\x06"u8))
        {
            return new TorchZipFile(path);
        }

        bool named = path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (IsSafetensors(head, length) || (named && FileSignatures.Describe(head) is null))
        {
            return new SafetensorsFile(path);
        }

        return head.Length > 0 && head[0] == 0x80 ? new TorchLegacyFile(path) : throw new WeightFileException(path,
            "is not a supported weight file (safetensors, torch.save, index of shards): "
            + $"{FileSignatures.Describe(head) ?? $"it begins with the bytes {Convert.ToHexString(head.AsSpan(0, Math.Min(16, head.Length)))}"}.");
    }

    private static byte[] Head(string path, out long length)
    {
        if (Directory.Exists(path))
        {
            throw new WeightFileException(path, "is a folder; a file of weights is expected (safetensors, torch.save, index of shards).");
        }

        using var file = new FileBytes(path);
        length = file.Length;
        return file.Read(0, (int)Math.Min(length, FileSignatures.HeadBytes));
    }

    private static bool IsSafetensors(byte[] head, long length) =>
        head.Length > 8 && head[8] == '{' && BitConverter.ToUInt64(head) is var header && header <= SafetensorsHeader.MaxLength && header <= (ulong)length - 8;
}
