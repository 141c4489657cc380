using System.Numerics;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A file of torch.save before PyTorch 1.6 (torch/serialization.py, _legacy_save).</summary>
/// <remarks>
/// It holds five pickles in a row (magic number, protocol, machine, object, storage keys), then the storages, each preceded by its element count.
/// </remarks>
internal sealed class TorchLegacyFile : TorchFile
{
    private const int Protocol = 1001;

    private static readonly BigInteger s_magic = BigInteger.Parse("119547037146038801333356", System.Globalization.CultureInfo.InvariantCulture);

    private readonly Dictionary<string, long> _offsets = new(StringComparer.Ordinal);

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is not of this form.</exception>
    public TorchLegacyFile(string path)
        : base(path)
    {
        try
        {
            Root = Parse();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override WeightNode Root { get; }

    protected override Stream Open(TorchStorage storage, long offset) => File.OpenSlice(_offsets[storage.Key] + offset, storage.Bytes - offset);

    private WeightNode Parse()
    {
        byte[] head = File.Read(0, (int)Math.Min(File.Length, RestrictedUnpickler.MaxBytes));
        int position = 0;
        WeightNode Next(string what, out IReadOnlyCollection<TorchStorage> storages) =>
            RestrictedUnpickler.Read(head, ref position, Location, what, legacy: true, out storages);

        CheckMagic(head, ref position);
        if (Next("the protocol number", out _) is not IntNode { Value: var protocol } || protocol != Protocol)
        {
            throw File.Fault($"the old torch format has protocol {Protocol}; this file names another.");
        }

        if (Next("the description of the machine", out _) is not DictNode machine || machine.Find("little_endian") is not BoolNode { Value: true })
        {
            throw File.Fault("it was not written on a little-endian machine, or does not say so.");
        }

        WeightNode root = Next("the pickle of the object", out IReadOnlyCollection<TorchStorage> storages);
        if (Next("the list of storages", out _) is not ListNode keys)
        {
            throw File.Fault("the list of storages is missing.");
        }

        Locate(keys, storages.ToDictionary(storage => storage.Key, StringComparer.Ordinal), position);
        return root;
    }

    private void CheckMagic(byte[] head, ref int position)
    {
        WeightNode first;
        try
        {
            first = RestrictedUnpickler.Read(head, ref position, Location, "the magic number", legacy: true, out _);
        }
        catch (WeightFileException exception)
        {
            throw File.Fault($"it is neither a zip archive nor torch's old format; it looks like a bare pickle. {exception.Problem}", exception);
        }

        if (first is not IntNode { Value: var magic } || magic != s_magic)
        {
            throw File.Fault($"it is neither a zip archive nor torch's old format: a pickle whose first value is {first.Kind}, not torch's magic number.");
        }
    }

    private void Locate(ListNode keys, Dictionary<string, TorchStorage> storages, long position)
    {
        foreach (WeightNode item in keys.Items)
        {
            if (item is not StringNode { Value: var key } || !storages.TryGetValue(key, out TorchStorage? storage) || _offsets.ContainsKey(key))
            {
                throw File.Fault($"the list of storages names {(item as StringNode)?.Value ?? item.Kind}, which is listed twice or belongs to no tensor.");
            }

            if (File.Length - position < 8)
            {
                throw File.Fault($"the file ends at byte {File.Length}, before storage '{key}': it is truncated.");
            }

            long count = BitConverter.ToInt64(File.Read(position, 8));
            position += 8;
            if (count != storage.Count || storage.Bytes > File.Length - position)
            {
                throw File.Fault(
                    $"storage '{key}' at byte {position} has {count} elements, its tensors say {storage.Count} ({storage.Bytes} bytes), "
                    + $"and {File.Length - position} bytes are left: the file is truncated or damaged.");
            }

            _offsets.Add(key, position);
            position += storage.Bytes;
        }

        if (storages.Keys.FirstOrDefault(key => !_offsets.ContainsKey(key)) is { } lost)
        {
            throw File.Fault($"storage '{lost}' is named by a tensor, but is not in the list of storages.");
        }
    }
}
