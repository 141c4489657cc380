using System.Text.Json;

namespace Examples;

/// <summary>
/// The output folder: filled under another name beside its place, and moved there when it is whole. A former result is replaced, other files there are kept,
/// and a trained model is never deleted.
/// </summary>
internal sealed class ResultFolder : IDisposable
{
    /// <summary>The file of a result that says what belongs to it.</summary>
    public const string Card = "run-card.json";

    /// <summary>The trained model, which cannot be made again without training.</summary>
    public const string Trained = "aligned.zip";

    /// <summary>The folder of a result with its videos one by one.</summary>
    public const string Videos = "videos";

    private const string Lock = "lock";

    private readonly string _final;
    private readonly string _unfinished;
    private readonly FileStream _lock;

    /// <param name="path">Where the result is to be.</param>
    /// <param name="interrupted">Where the state of the run is until the result is whole; where an interrupted run goes on, its files are made again.</param>
    /// <exception cref="UsageException">
    /// The folder cannot be made, holds something that is not a former result, is being written by another run, or an interrupted run has left a trained model.
    /// </exception>
    public ResultFolder(string path, InterruptedRun interrupted)
    {
        Interrupted = interrupted;
        _final = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        _unfinished = $"{_final}.unfinished";
        if (File.Exists(_final) || (Directory.Exists(_final) && Directory.EnumerateFileSystemEntries(_final).Any() && !File.Exists(Path.Combine(_final, Card))))
        {
            throw new UsageException($"--out: '{path}' exists and is not a former result; name another folder");
        }

        try
        {
            Directory.CreateDirectory(_unfinished);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new UsageException($"--out: '{path}' cannot be written ({error.Message})");
        }

        try
        {
            // The system releases the lock however a process ends: a folder that is not locked is the rest of a run that ended.
            _lock = new FileStream(this[Lock], FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--out: '{_unfinished}' is being written by another run, or cannot be written ({error.Message})");
        }

        if (File.Exists(this[Trained]) && !interrupted.GoesOn)
        {
            _lock.Dispose();
            throw new UsageException($"--out: '{_unfinished}' holds the {Trained} of a run that was interrupted; go on with it by --resume, or move it away");
        }

        Clear();
    }

    /// <summary>Where the state of the run is until the result is whole.</summary>
    public InterruptedRun Interrupted { get; }

    /// <summary>Gets the path where a file of the result is written.</summary>
    /// <param name="name">The file's name in the result.</param>
    public string this[string name] => Path.Combine(_unfinished, name);

    /// <summary>Moves the whole result to its place.</summary>
    /// <returns>That place.</returns>
    public string Finish()
    {
        IReadOnlyList<string> files = Written();
        _lock.Dispose();
        if (!Directory.Exists(_final))
        {
            Directory.Move(_unfinished, _final);
            return _final;
        }

        string former = $"{_final}.former-{Guid.NewGuid():N}";
        Directory.Move(_final, former);
        try
        {
            Directory.Move(_unfinished, _final);
        }
        catch
        {
            Directory.Move(former, _final);
            throw;
        }

        // A result of an earlier version of this program has no list: its files are those that a result has now.
        MoveWhatIsNotOfAResult(former, Listed(Path.Combine(former, Card)) is { Count: > 0 } listed ? [Card, .. listed] : [.. files]);
        return _final;
    }

    /// <summary>Reads which files a result lists as its own.</summary>
    /// <param name="card">The result's run card.</param>
    /// <returns>Paths inside the result's folder, with slashes; empty: it lists none.</returns>
    public static IReadOnlyList<string> Listed(string card)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(card));
            return document.RootElement.TryGetProperty("files", out JsonElement files) ? [.. files.EnumerateArray().Select(file => file.GetString()!)] : [];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Lists the files written so far, by paths inside the folder with slashes.</summary>
    public IReadOnlyList<string> Written() => [.. Files(_unfinished).Where(file => file != Lock)];

    /// <summary>Deletes what is unfinished, unless a model was trained: then its place is printed on the error stream.</summary>
    public void Dispose()
    {
        _lock.Dispose();
        if (!Directory.Exists(_unfinished))
        {
            return;
        }

        if (File.Exists(this[Trained]))
        {
            Console.Error.WriteLine($"What was trained is kept: {this[Trained]}");
        }
        else
        {
            Directory.Delete(_unfinished, recursive: true);
        }
    }

    private void Clear()
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(_unfinished).Where(entry => Path.GetFileName(entry) != Lock).ToArray())
        {
            if (IsFolder(entry))
            {
                Directory.Delete(entry, recursive: true);
            }
            else
            {
                File.Delete(entry);
            }
        }
    }

    /// <summary>Deletes a former result; other files move into the new one, or stay where that has a file of the same name.</summary>
    /// <param name="former">The folder of the former result.</param>
    /// <param name="own">Its own files.</param>
    private void MoveWhatIsNotOfAResult(string former, HashSet<string> own)
    {
        foreach (string file in Files(former))
        {
            string from = Path.Combine(former, file), to = Path.Combine(_final, file);
            if (own.Contains(file))
            {
                File.Delete(from);
            }
            else if (!Path.Exists(to))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Move(from, to);
            }
        }

        if (Files(former).Count == 0)
        {
            Directory.Delete(former, recursive: true);
        }
        else
        {
            Console.Error.WriteLine($"Files that were in the way of the result are kept in {former}");
        }
    }

    private static List<string> Files(string folder, string within = "")
    {
        var files = new List<string>();
        foreach (string entry in Directory.EnumerateFileSystemEntries(folder))
        {
            string name = within + Path.GetFileName(entry);
            if (IsFolder(entry))
            {
                files.AddRange(Files(entry, $"{name}/"));
            }
            else
            {
                files.Add(name);
            }
        }

        return files;
    }

    // A link to a folder is a file: what it leads to is not the result's.
    private static bool IsFolder(string entry) => Directory.Exists(entry) && new DirectoryInfo(entry).LinkTarget is null;
}
