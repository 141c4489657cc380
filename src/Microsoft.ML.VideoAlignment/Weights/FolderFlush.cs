using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Flushes the names in a folder to disk; without it, a file that was flushed and then renamed may have its old name after a power failure.</summary>
/// <remarks>.NET cannot open a folder, so on Linux and macOS the system is called directly; Windows writes names with the file system's own journal.</remarks>
internal static partial class FolderFlush
{
    private const int ReadOnly = 0;

    /// <summary>Waits until the folder's names are on disk; does nothing where the system or its file system cannot.</summary>
    /// <param name="folder">An existing folder.</param>
    public static void ToDisk(string folder)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            return;
        }

        int handle = Open(folder, ReadOnly);
        if (handle >= 0)
        {
            _ = Flush(handle);
            _ = Close(handle);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Flush(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int handle);
}
