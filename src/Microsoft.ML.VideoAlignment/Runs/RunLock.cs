using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// The file "run.lock" of a run's folder: names the run that owns the folder, and keeps other processes out while it is held open. The system releases it with
/// the process, however that ends, so a killed process does not block the folder.
/// </summary>
internal sealed partial class RunLock : IDisposable
{
    public const string FileName = "run.lock";

    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    [GeneratedRegex("^[0-9a-f]{32}$")]
    private static partial Regex RunName();

    /// <summary>The run that owns the folder, 32 hexadecimal digits; null: none yet.</summary>
    public string? Owner
    {
        get
        {
            _file.Position = 0;
            byte[] text = new byte[32];
            int count = _file.ReadAtLeast(text, text.Length, throwOnEndOfStream: false);
            string name = Encoding.ASCII.GetString(text, 0, count);
            return RunName().IsMatch(name) ? name : null;
        }
    }

    /// <summary>Acquires the lock of a folder.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <returns>The lock, released when it is disposed.</returns>
    /// <exception cref="RunFolderException">Another run holds it, or the folder cannot be written.</exception>
    public static RunLock Acquire(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            return new RunLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
        }
        catch (UnauthorizedAccessException error)
        {
            throw RunFolder.CreateUnwritable(folder, error);
        }
        catch (IOException error)
        {
            throw File.Exists(path)
                ? new RunFolderException(
                    folder, $"another run is using this folder ('{FileName}' is held: {error.Message}). Wait for it to end, or name another RunFolder.", error)
                : RunFolder.CreateUnwritable(folder, error);
        }
    }

    /// <summary>Makes a run the owner of the folder, also after a restart.</summary>
    /// <param name="run">32 hexadecimal digits.</param>
    public void SetOwner(string run)
    {
        _file.Position = 0;
        _file.Write(Encoding.ASCII.GetBytes(run));
        _file.SetLength(run.Length);
        _file.Flush(flushToDisk: true);
    }

    public void Dispose() => _file.Dispose();
}
