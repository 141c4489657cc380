namespace Examples;

/// <summary>A file that a program writes at its end. Whether it can be written is found out before the work, and it is there whole or not at all.</summary>
internal static class TargetFile
{
    /// <summary>Makes the file's folder and sees whether a file can be written there.</summary>
    /// <param name="option">As the user names it.</param>
    /// <param name="path">The file.</param>
    /// <param name="mayBeFolder">Whether a folder of that name is taken too.</param>
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

    /// <summary>Writes under another name beside the file's place, and moves it there when it is whole.</summary>
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
