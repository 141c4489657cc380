namespace Examples;

/// <summary>A file that a program writes at its end: it is found out before the work whether it can be written, and it is there whole or not at all.</summary>
internal static class TargetFile
{
    /// <summary>Makes the file's folder and checks that a file can be written there.</summary>
    /// <param name="option">The option that names it, as the error says it.</param>
    /// <param name="path">The file.</param>
    /// <param name="mayBeFolder">Whether a folder of that name will do, too.</param>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public static void Require(string option, string path, bool mayBeFolder = false)
    {
        string full = Path.GetFullPath(path);
        if (!mayBeFolder && (Path.EndsInDirectorySeparator(path) || Directory.Exists(full)))
        {
            throw new UsageException($"{option}: '{path}' is a folder; name a file");
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            using FileStream probe = File.Create($"{full}.{Guid.NewGuid():N}.tmp", bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new UsageException($"{option}: '{path}' cannot be written ({error.Message})");
        }
    }

    /// <summary>Writes a file under another name beside its place, and moves it there when it is whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes the file whose path it is given.</param>
    public static void Write(string path, Action<string> write)
    {
        string temporary = $"{Path.GetFullPath(path)}.{Guid.NewGuid():N}.tmp";
        try
        {
            write(temporary);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
