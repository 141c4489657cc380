namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Writes files that are complete or do not exist: each is written under a temporary name in the same folder, flushed, then renamed.</summary>
/// <remarks>A process that has the old file open goes on reading the old one.</remarks>
internal static class AtomicFile
{
    /// <summary>Writes a file; an existing one is replaced once the new one is complete.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The file cannot be written; an existing one is unchanged.</exception>
    public static void Write(string path, Action<Stream> write) => WriteAll([(path, write)]);

    /// <summary>Writes files that belong together: none is replaced before all are complete.</summary>
    /// <param name="files">The files and what writes their content.</param>
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

    /// <summary>Removes a file that is no longer wanted, if possible: another failure must not hide the one under way.</summary>
    /// <param name="path">The file.</param>
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
            : $"its folder '{folder}' does not exist; create it first";
        return new IOException($"'{path}' cannot be written: {what}.", exception);
    }
}
