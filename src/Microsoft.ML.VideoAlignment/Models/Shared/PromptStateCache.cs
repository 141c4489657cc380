using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// Keeps the states of prompts in a folder, one file each, so that a large text encoder runs once per prompt and machine. A file is named by the model, the
/// length and the prompt; it holds the rows of tokens, and rows of padding come back as zeros.
/// </summary>
/// <remarks>A damaged file is encoded anew.</remarks>
internal sealed class PromptStateCache : ITextStateEncoder
{
    /// <summary>Part of every name: another layout of the files gets other names.</summary>
    private const string Layout = "text-states-1";
    private const string StatesKey = "states";
    private const string HashKey = "sha256";

    private readonly ITextStateEncoder _inner;
    private readonly string _folder;
    private readonly string _model;

    /// <summary>Puts a folder before a text encoder.</summary>
    /// <param name="inner">Encodes what is not in the folder; it belongs to this.</param>
    /// <param name="folder">Made when the first file is written.</param>
    /// <param name="model">A hash of all that decides the states besides prompt and length: weights, their precision, the tokenizer.</param>
    public PromptStateCache(ITextStateEncoder inner, string folder, string model)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        (_inner, _folder, _model) = (inner, folder, model);
    }

    /// <summary>Puts a folder before a text encoder that is read from folders, whose files tell which states are kept.</summary>
    /// <param name="inner">Encodes what is not in the folder; it belongs to the result.</param>
    /// <param name="folder">Where states are kept; null: nowhere.</param>
    /// <param name="sources">The folders of the weights and of the tokenizer.</param>
    /// <param name="variant">The variant of the weights' files; null: none.</param>
    /// <param name="placement">How the weights are stored.</param>
    /// <returns>The encoder itself where no states are kept.</returns>
    public static ITextStateEncoder Create(
        ITextStateEncoder inner, string? folder, IEnumerable<string> sources, string? variant, Placement placement)
    {
        if (folder is null)
        {
            return inner;
        }

        string[] fingerprints = [.. sources.Distinct().Select(FolderFingerprint.Compute)];
        return new PromptStateCache(inner, folder, $"{string.Join('-', fingerprints)}-{variant}-{placement.StoredAs}");
    }

    public Device Device => _inner.Device;

    public int Length => _inner.Length;

    /// <inheritdoc/>
    /// <remarks>Where every prompt is in the folder the weights are not opened.</remarks>
    public long WeightBytes => _inner.WeightBytes;

    /// <summary>Prompts that were found in the folder so far.</summary>
    public int Hits { get; private set; }

    /// <inheritdoc/>
    /// <remarks>Prompts that are not in the folder are encoded in one batch: an encoder that reads its weights from files does so once.</remarks>
    public TextStates Encode(IReadOnlyList<string> prompts)
    {
        using DisposeScope scope = NewDisposeScope();
        var rows = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (string prompt in prompts.Distinct(StringComparer.Ordinal))
        {
            if (Find(prompt) is { } found)
            {
                rows[prompt] = found;
                Hits++;
            }
        }

        string[] missing = [.. prompts.Distinct(StringComparer.Ordinal).Where(prompt => !rows.ContainsKey(prompt))];
        if (missing.Length > 0)
        {
            using TextStates states = _inner.Encode(missing);
            long[] used = HostRead.Numbers<long>(states.Mask.sum(1));
            for (int row = 0; row < missing.Length; row++)
            {
                long tokens = used[row];
                rows[missing[row]] = HostRead.Copy(states.States[row].narrow(0, 0, tokens)).contiguous().clone();
                Keep(missing[row], rows[missing[row]]);
            }
        }

        Tensor[] kept = [.. prompts.Select(prompt => rows[prompt])];
        Tensor padded = stack(kept.Select(row => nn.functional.pad(row, [0, 0, 0, Length - row.shape[0]])));
        Tensor mask = stack(kept.Select(row => ScalarOps.Range(Length, dtype: ScalarType.Int64).LessThan(row.shape[0]).to_type(ScalarType.Int64)));
        return new TextStates(padded.to(Device).MoveToOuterDisposeScope(), mask.to(Device).MoveToOuterDisposeScope());
    }

    public int CountTruncated(string prompt) => _inner.CountTruncated(prompt);

    public void MoveTo(Device device) => _inner.MoveTo(device);

    public void Release() => _inner.Release();

    public void Dispose() => _inner.Dispose();

    /// <summary>Gives the path of a prompt's file.</summary>
    /// <param name="prompt">The prompt.</param>
    internal string GetPath(string prompt)
    {
        // Lengths in front keep "a" + "bc" apart from "ab" + "c".
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(new[] { Layout, _model, $"{Length}", prompt }.Select(part => $"{part.Length}:{part}")));
        return Path.Combine(_folder, $"{Convert.ToHexStringLower(SHA256.HashData(text))}.safetensors");
    }

    private Tensor? Find(string prompt)
    {
        string path = GetPath(prompt);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using var file = new SafetensorsFile(path);
            Tensor states = file.Read(StatesKey);
            bool sound = states.dim() == 2 && states.shape[0] <= Length && file.Metadata.TryGetValue(HashKey, out string? hash) && hash == Hash(states);
            return sound ? states : null;
        }
        catch (WeightFileException)
        {
            return null;
        }
    }

    private void Keep(string prompt, Tensor states)
    {
        Directory.CreateDirectory(_folder);
        SafetensorsWriter.Write(GetPath(prompt), new Dictionary<string, Tensor> { [StatesKey] = states },
            new Dictionary<string, string> { [HashKey] = Hash(states) });
    }

    private static string Hash(Tensor states)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        TensorSlices.CopyTo(states, hash.AppendData);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
