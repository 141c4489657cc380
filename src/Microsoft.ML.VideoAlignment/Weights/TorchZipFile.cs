using System.Buffers;
using System.IO.Compression;
using ICSharpCode.SharpZipLib.Checksum;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// A file of torch.save since PyTorch 1.6: a zip archive with one root folder, which holds data.pkl and one record data/KEY for each storage.
/// </summary>
/// <remarks>Every record in use is checked, CRC included, when the file is opened.</remarks>
internal sealed class TorchZipFile : TorchFile
{
    private readonly Dictionary<string, ZipDirectory.Entry> _records;
    private readonly string _root;

    /// <summary>Opens a file and checks it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="WeightFileException">The file is not a sound file of this form.</exception>
    public TorchZipFile(string path)
        : base(path)
    {
        try
        {
            _records = ZipDirectory.Read(File);
            CheckSizes();
            _root = FindRoot();
            CheckByteOrder();
            byte[] pickle = Whole("data.pkl", RestrictedUnpickler.MaxBytes);
            int position = 0;
            Root = RestrictedUnpickler.Read(pickle, ref position, Location, "data.pkl", legacy: false, out IReadOnlyCollection<TorchStorage> storages);
            foreach (TorchStorage storage in storages)
            {
                CheckLength(storage);
            }

            foreach (TorchStorage storage in storages)
            {
                CheckSum(_records[$"{_root}data/{storage.Key}"]);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override WeightNode Root { get; }

    protected override Stream Open(TorchStorage storage, long offset)
    {
        ZipDirectory.Entry record = _records[$"{_root}data/{storage.Key}"];
        if (record.Method == 0)
        {
            return File.OpenSlice(record.DataOffset + offset, record.Size - offset);
        }

        Stream stream = Open(record);
        Skip(stream, offset);
        return stream;
    }

    // The one folder that holds everything, with its slash.
    private string FindRoot()
    {
        string[] roots = [.. _records.Keys.Select(name => name[..(name.IndexOf('/', StringComparison.Ordinal) + 1)]).Distinct().Take(2)];
        bool Has(string name) => roots.Any(root => _records.ContainsKey(root + name));
        if (Has("constants.pkl") || _records.Keys.Any(name => name.Contains("/code/", StringComparison.Ordinal)))
        {
            throw File.Fault("is a TorchScript archive (torch.jit.save): a program, not a checkpoint. Save the state_dict with torch.save or safetensors.");
        }

        return roots is [var root] && root.Length > 0 && Has("data.pkl")
            ? root
            : throw File.Fault("is a zip archive, but not a checkpoint of torch.save: "
                + $"{(roots.Length > 1 ? "it has several root folders" : "it has no data.pkl in one root folder")}.");
    }

    // A stored record has its real size; a deflated one declares a size, which bounds its reading.
    private void CheckSizes()
    {
        ZipDirectory.Entry[] deflated = [.. _records.Values.Where(record => record.Method != 0)];
        if (UnpackedSize.FindProblem(deflated.Sum(record => record.CompressedSize), deflated.Sum(record => (decimal)record.Size)) is { } fault)
        {
            throw File.Fault(
                $"its deflated records are refused: {fault}. If you trust the file, pack it again without compression (torch.save does not compress).");
        }
    }

    private void CheckByteOrder()
    {
        string order = _records.ContainsKey(_root + "byteorder") ? System.Text.Encoding.UTF8.GetString(Whole("byteorder", 16)) : "little";
        if (order != "little")
        {
            throw File.Fault($"its byteorder is '{order}'; only files of little-endian machines are supported.");
        }
    }

    private void CheckLength(TorchStorage storage)
    {
        if (!_records.TryGetValue($"{_root}data/{storage.Key}", out ZipDirectory.Entry? record))
        {
            throw File.Fault($"there is no record data/{storage.Key}, which a tensor needs.");
        }

        if (record.Size != storage.Bytes)
        {
            throw File.Fault($"record data/{storage.Key} has {record.Size} bytes, its storage of {storage.Count} {storage.Dtype.Name} needs {storage.Bytes}.");
        }
    }

    // A small record, its size checked before it is read.
    private byte[] Whole(string name, int limit)
    {
        ZipDirectory.Entry record = _records[_root + name];
        if (record.Size > limit)
        {
            throw File.Fault($"record {name} has {record.Size} bytes, more than {limit}.");
        }

        CheckSum(record);
        byte[] bytes = new byte[record.Size];
        using Stream stream = Open(record);
        stream.ReadExactly(bytes);
        return bytes;
    }

    private Stream Open(ZipDirectory.Entry record)
    {
        Stream stored = File.OpenSlice(record.DataOffset, record.CompressedSize);
        return record.Method == 0 ? stored : new DeflateStream(stored, CompressionMode.Decompress);
    }

    private static void Skip(Stream stream, long offset)
    {
        byte[] buffer = new byte[Math.Min(offset, 1 << 20)];
        for (long left = offset; left > 0;)
        {
            int count = (int)Math.Min(left, buffer.Length);
            stream.ReadExactly(buffer, 0, count);
            left -= count;
        }
    }

    private void CheckSum(ZipDirectory.Entry record)
    {
        var crc = new Crc32();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        long length = 0;
        try
        {
            using Stream stream = Open(record);
            for (int count; length <= record.Size && (count = stream.Read(buffer)) > 0; length += count)
            {
                crc.Update(new ArraySegment<byte>(buffer, 0, count));
            }
        }
        catch (InvalidDataException exception)
        {
            throw File.Fault($"zip record '{record.Name}' does not inflate: {exception.Message}", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (length != record.Size || crc.Value != record.Crc)
        {
            throw File.Fault($"zip record '{record.Name}' is damaged: its length or CRC-32 is not what the directory says.");
        }
    }
}
