using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Runs;

/// <summary>
/// The file "run.lock" of a run's folder: says whose the folder is, and keeps others out while it is held open. The system lets go of it with the process,
/// however that ends, so what a killed process leaves behind does not block.
/// </summary>
internal sealed partial class RunLock : IDisposable
{
    public const string FileName = "run.lock";

    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    [GeneratedRegex("^[0-9a-f]{32}$")]
    private static partial Regex RunName();

    /// <summary>The run whose folder this is: 32 hexadecimal digits; null: nobody's yet.</summary>
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

    /// <param name="folder">A folder that is there.</param>
    /// <returns>The lock, which is let go when it is disposed.</returns>
    /// <exception cref="RunFolderException">Another run has it, or the folder cannot be written.</exception>
    public static RunLock Take(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            return new RunLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
        }
        catch (UnauthorizedAccessException error)
        {
            throw RunFolder.Unwritable(folder, error);
        }
        catch (IOException error)
        {
            throw File.Exists(path)
                ? new RunFolderException(folder, $"another run is using this folder ('{FileName}' is held: {error.Message}). Wait for it to end, or name another RunFolder.", error)
                : RunFolder.Unwritable(folder, error);
        }
    }

    /// <summary>Makes the folder this run's, now and after a restart.</summary>
    public void Own(string run)
    {
        _file.Position = 0;
        _file.Write(Encoding.ASCII.GetBytes(run));
        _file.SetLength(run.Length);
        _file.Flush(flushToDisk: true);
    }

    public void Dispose() => _file.Dispose();
}
