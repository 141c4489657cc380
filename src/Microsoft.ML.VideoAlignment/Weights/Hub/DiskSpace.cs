namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>What is free on the disk of a folder.</summary>
internal static class DiskSpace
{
    /// <summary>Bytes that this user may still write there; null: the system does not say.</summary>
    /// <param name="folder">The folder, which need not be there yet.</param>
    public static long? Free(string folder)
    {
        try
        {
            string? existing = Path.GetFullPath(folder);
            while (existing is not null && !Directory.Exists(existing))
            {
                existing = Path.GetDirectoryName(existing);
            }

            return existing is null ? null : new DriveInfo(existing).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
