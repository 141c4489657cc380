namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Measures the free space of the disk that holds a folder.</summary>
internal static class DiskSpace
{
    /// <summary>The number of bytes that this user may still write there; null where the system does not say.</summary>
    /// <param name="folder">The folder, which need not exist yet.</param>
    public static long? GetFreeBytes(string folder)
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
