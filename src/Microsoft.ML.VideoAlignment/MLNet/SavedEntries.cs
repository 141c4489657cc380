using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Reads the entries of a saved transformer within limits. ML.NET unpacks an entry into a temporary file before it hands it out, and .NET stops at the size
/// that the zip's directory declares: checking the declared sizes first bounds what is really written.
/// </summary>
internal sealed class SavedEntries
{
    /// <summary>The limit for entries of settings, names and references, which really take a few kilobytes.</summary>
    public const int MaxSettingsBytes = 16 << 20;

    private readonly object _context;
    private readonly Dictionary<string, long> _sizes = new(StringComparer.Ordinal);

    /// <summary>Checks the declared sizes of all entries.</summary>
    /// <param name="context">ML.NET's internal ModelLoadContext.</param>
    /// <exception cref="FormatException">The entries would unpack to far more than they take in the zip.</exception>
    public SavedEntries(object context)
    {
        _context = context;
        (long packed, decimal unpacked) = (0, 0);
        foreach ((string name, long compressed, long size) in MlNetInterop.ListEntries(context))
        {
            _sizes[name] = Math.Max(size, _sizes.GetValueOrDefault(name));
            (packed, unpacked) = (packed + compressed, unpacked + size);
        }

        if (UnpackedSize.FindProblem(packed, unpacked) is { } fault)
        {
            throw new FormatException($"The saved model is refused: its {fault}.");
        }
    }

    /// <summary>Reads an entry.</summary>
    /// <param name="name">The entry's name in the transformer's folder of the zip.</param>
    /// <param name="most">The most bytes that it may have.</param>
    /// <param name="read">Reads its content.</param>
    /// <returns>Whether there is such an entry.</returns>
    /// <exception cref="FormatException">The entry is too large, or ends early.</exception>
    public bool TryRead(string name, long most, Action<BinaryReader> read)
    {
        if (_sizes.TryGetValue(name, out long size) && size > most)
        {
            throw new FormatException($"The saved model's entry '{name}' declares {size} bytes; at most {most} are read.");
        }

        try
        {
            return MlNetInterop.TryLoadStream(_context, name, read);
        }
        catch (Exception exception) when (exception is EndOfStreamException or InvalidDataException)
        {
            throw Damaged(name, exception);
        }
    }

    /// <summary>Reads the whole content of an entry.</summary>
    /// <param name="name">The entry's name in the transformer's folder of the zip.</param>
    /// <param name="most">The most bytes that it may have.</param>
    /// <returns>The content; null: there is no such entry.</returns>
    /// <exception cref="FormatException">The entry is too large, or ends early.</exception>
    public byte[]? ReadAll(string name, long most)
    {
        byte[]? content = null;
        TryRead(name, most, reader =>
        {
            content = new byte[reader.BaseStream.Length];
            reader.BaseStream.ReadExactly(content);
        });
        return content;
    }

    /// <summary>Reads an entry of names and numbers, at most <see cref="MaxSettingsBytes"/> long.</summary>
    /// <param name="name">The entry's name in the transformer's folder of the zip.</param>
    /// <param name="read">Reads its content.</param>
    /// <returns>Whether there is such an entry.</returns>
    /// <exception cref="FormatException">The entry is too large, or damaged.</exception>
    public bool TryReadSettings(string name, Action<BinaryReader> read)
    {
        if (ReadAll(name, MaxSettingsBytes) is not { } content)
        {
            return false;
        }

        try
        {
            using var reader = new BinaryReader(new MemoryStream(content));
            read(reader);
            return true;
        }
        catch (Exception exception) when (exception is IOException or FormatException or ArgumentException)
        {
            throw Damaged(name, exception);
        }
    }

    private static FormatException Damaged(string name, Exception exception) =>
        new($"The saved model's entry '{name}' is damaged: {exception.Message}", exception);
}
