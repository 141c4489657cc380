using System.Collections.Concurrent;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// The files of a base model that came inside a zip, in a folder of their own below the temporary folder. They are removed when this is disposed or
/// collected, or when the process exits; what a killed process left is removed when the next one unpacks.
/// </summary>
/// <remarks>Beside each folder is a file that its process keeps open and locked; where another process can lock it, its process is gone.</remarks>
internal sealed class UnpackedBase : IDisposable
{
    private const string Prefix = "video-base-";
    private const string LockExtension = ".lock";
    private const int Attempts = 5;

    /// <summary>The folders of this process and their locks. No <see cref="UnpackedBase"/> is referenced, so that those can be collected.</summary>
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

    /// <summary>The path of the folder.</summary>
    public string Folder { get; }

    /// <summary>Makes a folder and fills it, after removing those that killed processes left.</summary>
    /// <param name="temporaryFolder">The folder in which it is made; created where it does not exist.</param>
    /// <param name="unpack">Writes the files into the folder that it is given.</param>
    /// <exception cref="IOException">The folder cannot be written, or the disk is full; the message says what to do, and nothing is left.</exception>
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
                $"The alignment's base model is inside its zip and has to be unpacked below the temporary folder '{temporaryFolder}', "
                + $"which cannot be written: {exception.Message} "
                + "Set MLContext.TempFilePath to a writable folder with room for the model, or save without IncludeBaseModel.",
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
                // Between creating and locking the file another process took it for one of a killed process.
            }
        }
    }

    private static void RemoveStale(string temporaryFolder, string own)
    {
        // Where even our own file can be locked twice, as on file systems without locks, a lock says nothing.
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

    // What cannot be removed now is left to the next process that unpacks.
    private static void Remove(string folder)
    {
        if (s_locks.TryRemove(folder, out FileStream? held))
        {
            RemoveFiles(folder);
            held.Dispose();
        }
    }

    // The folder first, then its lock: as long as there is anything, there is a lock beside it.
    private static void RemoveFiles(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            AtomicFile.Remove(folder + LockExtension);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Still in use, or another user's.
        }
    }
}
