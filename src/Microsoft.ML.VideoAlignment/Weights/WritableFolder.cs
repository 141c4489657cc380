namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Finds out whether a folder can be written before the work whose result goes there.</summary>
internal static class WritableFolder
{
    /// <summary>Writes a file in a folder and removes it, along with the folders created for it.</summary>
    /// <param name="folder">The folder; it need not exist yet.</param>
    /// <param name="option">The option that names it, for the message.</param>
    /// <param name="content">A content as large as what will be written.</param>
    /// <exception cref="IOException">The folder cannot be created or written, or is full.</exception>
    public static void Require(string folder, string option, byte[] content)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string? made = Missing(full);
        string probe = Path.Combine(full, $"{Guid.NewGuid():N}.probe");
        try
        {
            Directory.CreateDirectory(full);
            AtomicFile.Write(probe, stream => stream.Write(content));
            File.Delete(probe);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            AtomicFile.Remove(probe);
            throw new IOException($"{option} '{folder}' cannot be written: {(exception.InnerException ?? exception).Message} "
                + $"Name a writable folder with room for {content.Length} bytes a file.", exception);
        }
        finally
        {
            for (string each = full; made is not null && each.Length >= made.Length; each = Path.GetDirectoryName(each)!)
            {
                RemoveEmpty(each);
            }
        }
    }

    /// <summary>Removes a folder that was created in vain, unless it is not empty.</summary>
    /// <param name="folder">The folder.</param>
    public static void RemoveEmpty(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Someone else's file is there, or the folder is someone else's: it stays.
        }
    }

    // The outermost folder that has to be created; null where all exist.
    private static string? Missing(string folder)
    {
        string? missing = null;
        for (string? each = folder; each is not null && !Path.Exists(each); each = Path.GetDirectoryName(each))
        {
            missing = each;
        }

        return missing;
    }
}
