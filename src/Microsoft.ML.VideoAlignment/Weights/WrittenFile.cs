namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A file that is there complete or not at all: written under a temporary name in the same folder, then renamed.</summary>
internal static class WrittenFile
{
    public static void Write(string path, Action<Stream> write)
    {
        string partial = $"{path}.{Guid.NewGuid():N}.partial";
        try
        {
            using (FileStream stream = new(partial, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }
}
