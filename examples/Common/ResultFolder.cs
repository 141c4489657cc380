namespace Examples;

/// <summary>The output folder: filled under another name beside its place, and moved there when everything is in it.</summary>
internal sealed class ResultFolder : IDisposable
{
    private const string Mark = "run-card.json";

    private readonly string _final;
    private readonly string _unfinished;

    /// <exception cref="UsageException">The folder cannot be made, or holds something that is not a former result.</exception>
    public ResultFolder(string path)
    {
        _final = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        _unfinished = $"{_final}.unfinished-{Environment.ProcessId}";
        if (File.Exists(_final) || (Directory.Exists(_final) && Directory.EnumerateFileSystemEntries(_final).Any() && !File.Exists(Path.Combine(_final, Mark))))
        {
            throw new UsageException($"--out: '{path}' exists and is not a former result; name another folder");
        }

        // A signal ends the program without unwinding it.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose();
        try
        {
            Directory.CreateDirectory(_unfinished);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new UsageException($"--out: '{path}' cannot be written ({error.Message})");
        }
    }

    /// <summary>Where a file of the result is written.</summary>
    public string this[string name] => Path.Combine(_unfinished, name);

    /// <summary>Puts the whole in its place and returns that place.</summary>
    public string Finish()
    {
        if (Directory.Exists(_final))
        {
            Directory.Delete(_final, recursive: true);
        }

        Directory.Move(_unfinished, _final);
        return _final;
    }

    public void Dispose()
    {
        if (Directory.Exists(_unfinished))
        {
            Directory.Delete(_unfinished, recursive: true);
        }
    }
}
