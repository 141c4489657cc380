using System.Collections.Concurrent;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// The files of a base model that came inside a zip, in a folder of their own below the temporary folder. They go when this is disposed, when nothing holds it
/// any more, or when the process exits; what a process that was killed left behind goes when the next one unpacks.
/// </summary>
/// <remarks>Beside each folder lies a file that its process holds open and locked; where it can be locked, its process is gone.</remarks>
internal sealed class UnpackedBase : IDisposable
{
    private const string Prefix = "video-base-";
    private const string LockExtension = ".lock";
    private const int Attempts = 5;

    /// <summary>Folders of this process and their locks. It holds no <see cref="UnpackedBase"/>, so that those can be collected.</summary>
    private static readonly ConcurrentDictionary<string, FileStream> s_locks = new(StringComparer.Ordinal);

    static UnpackedBase() => AppDomain.CurrentDomain.ProcessExit += static (_, _) =>
    {
        foreach (string folder in s_locks.Keys)
        {
            Remove(folder);
        }
    };

    private UnpackedBase(string folder) => Folder = folder;

    ~UnpackedBase() => Remove(Folder);

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Makes a folder and fills it, after those that killed processes left behind were removed.</summary>
    /// <param name="temporaryFolder">Where folders are made.</param>
    /// <param name="unpack">Fills the folder that it is given.</param>
    /// <exception cref="IOException">It cannot be written, or is full; the message says what to do, and nothing is left behind.</exception>
    public static UnpackedBase Create(string temporaryFolder, Action<string> unpack)
    {
        UnpackedBase? unpacked = null;
        try
        {
            Directory.CreateDirectory(temporaryFolder);
            (string folder, FileStream held) = Lock(temporaryFolder);
            s_locks[folder] = held;
            unpacked = new UnpackedBase(folder);
            RemoveStale(temporaryFolder, folder + LockExtension);
            Directory.CreateDirectory(folder);
            unpack(folder);
            return unpacked;
        }
        catch (Exception exception)
        {
            unpacked?.Dispose();
            if (exception is not (IOException or UnauthorizedAccessException))
            {
                throw;
            }

            throw new IOException(
                $"The alignment's base model is inside its zip and has to be unpacked below the temporary folder '{temporaryFolder}', which cannot be written: {exception.Message} "
                + "Set MLContext.TempFilePath to a folder that can be, with room for the model; or save without IncludeBaseModel.",
                exception);
        }
    }

    public void Dispose()
    {
        Remove(Folder);
        GC.SuppressFinalize(this);
    }

    private static (string Folder, FileStream Held) Lock(string temporaryFolder)
    {
        for (int attempt = 1; ; attempt++)
        {
            string folder = Path.Combine(temporaryFolder, $"{Prefix}{Guid.NewGuid():N}");
            try
            {
                return (folder, new FileStream(folder + LockExtension, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (attempt < Attempts && File.Exists(folder + LockExtension))
            {
                // Between making and locking it another process took it for a killed one's.
            }
        }
    }

    private static void RemoveStale(string temporaryFolder, string own)
    {
        // Where even our own can be locked twice, as on file systems without locks, a lock says nothing.
        if (TryLock(own) is { } again)
        {
            again.Dispose();
            return;
        }

        foreach (string path in Directory.EnumerateFiles(temporaryFolder, $"{Prefix}*{LockExtension}"))
        {
            using FileStream? held = TryLock(path);
            if (held is not null)
            {
                RemoveFiles(path[..^LockExtension.Length]);
            }
        }
    }

    private static FileStream? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Removes a folder of this process; what cannot be removed now is left to the next process that unpacks.</summary>
    private static void Remove(string folder)
    {
        if (s_locks.TryRemove(folder, out FileStream? held))
        {
            RemoveFiles(folder);
            held.Dispose();
        }
    }

    /// <summary>The folder, then its lock: as long as there is anything, there is a lock beside it.</summary>
    private static void RemoveFiles(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            WrittenFile.Remove(folder + LockExtension);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Still read by someone, or another user's.
        }
    }
}
