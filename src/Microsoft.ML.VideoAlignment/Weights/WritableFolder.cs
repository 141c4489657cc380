namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Finds out whether a folder can be written before the work whose result is to go there.</summary>
internal static class WritableFolder
{
    /// <summary>Writes a file there and removes it; folders that had to be made for it go again too.</summary>
    /// <param name="folder">The folder; it need not be there yet.</param>
    /// <param name="asked">Who wants it, for the message.</param>
    /// <param name="content">As large as what will be written.</param>
    /// <exception cref="IOException">The folder cannot be made or written, or is full.</exception>
    public static void Require(string folder, string asked, byte[] content)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string? made = Missing(full);
        string probe = Path.Combine(full, $"{Guid.NewGuid():N}.probe");
        try
        {
            Directory.CreateDirectory(full);
            WrittenFile.Write(probe, stream => stream.Write(content));
            File.Delete(probe);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            WrittenFile.Remove(probe);
            throw new IOException($"{asked} '{folder}' cannot be written: {(exception.InnerException ?? exception).Message} Name a folder that can be, with room for {content.Length} bytes a file.", exception);
        }
        finally
        {
            for (string each = full; made is not null && each.Length >= made.Length; each = Path.GetDirectoryName(each)!)
            {
                RemoveEmpty(each);
            }
        }
    }

    /// <summary>Removes a folder that was made in vain, unless something is in it by now.</summary>
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

    /// <summary>The outermost folder that has to be made; null: none has.</summary>
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
