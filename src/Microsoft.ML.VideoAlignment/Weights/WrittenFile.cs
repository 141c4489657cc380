namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// A file that is there complete or not at all: written under a temporary name in the same folder, flushed, then renamed. Who reads the file meanwhile goes on
/// reading the old one, whatever name it was opened by.
/// </summary>
internal static class WrittenFile
{
    /// <summary>Writes a file; what is there is replaced once the new one is whole.</summary>
    /// <exception cref="IOException">It cannot be written; what was there is there.</exception>
    public static void Write(string path, Action<Stream> write) => WriteAll([(path, write)]);

    /// <summary>Writes files that belong together: none is replaced before all are whole.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void WriteAll(IReadOnlyList<(string Path, Action<Stream> Write)> files)
    {
        var partials = new List<string>();
        try
        {
            foreach ((string path, Action<Stream> write) in files)
            {
                using FileStream stream = Create(path, out string partial);
                partials.Add(partial);
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            if (files.FirstOrDefault(static file => Directory.Exists(file.Path)).Path is { } taken)
            {
                throw Fault(taken, new IOException("It is a folder."));
            }

            for (int file = 0; file < files.Count; file++)
            {
                Rename(partials[file], files[file].Path);
            }

            foreach (string folder in files.Select(file => Path.GetDirectoryName(Path.GetFullPath(file.Path))!).Distinct())
            {
                FolderFlush.ToDisk(folder);
            }
        }
        catch
        {
            partials.ForEach(Remove);
            throw;
        }
    }

    /// <summary>Removes a file that is no longer wanted, if that can be done: a failure under way must not be hidden by another.</summary>
    public static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static FileStream Create(string path, out string partial)
    {
        partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            return new FileStream(partial, FileMode.CreateNew, FileAccess.ReadWrite);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, exception);
        }
    }

    private static void Rename(string partial, string path)
    {
        try
        {
            File.Move(partial, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, exception);
        }
    }

    private static IOException Fault(string path, Exception exception)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string what = Directory.Exists(path) ? "there is a folder of that name"
            : Directory.Exists(folder) ? exception.Message.TrimEnd('.')
            : $"its folder '{folder}' is not there; create it first";
        return new IOException($"'{path}' cannot be written: {what}.", exception);
    }
}
