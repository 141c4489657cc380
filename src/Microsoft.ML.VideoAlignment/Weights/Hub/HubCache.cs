namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>One model in the cache that the hub's own tools share: files that they fetched are found here, and files fetched here are found by them.</summary>
/// <remarks>
/// <c>models--owner--name/refs/REVISION</c> holds a commit, <c>snapshots/COMMIT/...</c> links to <c>blobs/HASH</c>; a process that fetches a blob holds
/// <c>.locks/models--owner--name/HASH.lock</c>.
/// </remarks>
/// <param name="folder">The folder of the cache.</param>
/// <param name="model">The model and its revision.</param>
internal sealed class HubCache(string folder, HubModel model)
{
    private string Name => $"models--{model.Id.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>The model's folder.</summary>
    public string Location => Path.Combine(folder, Name);

    private string RefPath => Path.Combine(Location, "refs", model.Revision);

    /// <summary>The folder of the cache by the tools' rules.</summary>
    /// <param name="environment">Looks up an environment variable; null where it is not set.</param>
    public static string DefaultFolder(Func<string, string?> environment) => new HubEnvironment(environment).CacheFolder;

    /// <summary>Returns the folder of the revision's snapshot; null where the cache has none.</summary>
    public string? FindSnapshot()
    {
        string? commit = model.Commit ?? (File.Exists(RefPath) ? File.ReadAllText(RefPath).Trim() : null);
        string? path = commit is { Length: > 0 } && HubModel.IsSafePath(commit) ? SnapshotPath(commit) : null;
        return Directory.Exists(path) ? path : null;
    }

    public string SnapshotPath(string commit) => Path.Combine(Location, "snapshots", commit);

    public string BlobPath(string hash) => Path.Combine(Location, "blobs", hash);

    /// <summary>The path of a blob's unfinished download.</summary>
    /// <param name="hash">The blob's hash in hexadecimal.</param>
    public string PartialPath(string hash) => $"{BlobPath(hash)}.incomplete";

    /// <summary>The path of the file that the process that fetches a blob locks.</summary>
    /// <param name="hash">The blob's hash in hexadecimal.</param>
    public string LockPath(string hash) => Path.Combine(folder, ".locks", Name, $"{hash}.lock");

    /// <summary>Whether the cache holds the whole blob of a file.</summary>
    /// <param name="file">The file, whose hash is known.</param>
    public bool HasBlob(HubFile file) => GetLength(BlobPath(file.Hash!)) is { } length && (file.Size is null || length == file.Size);

    /// <summary>Whether a snapshot holds the whole file.</summary>
    /// <param name="commit">The snapshot's commit.</param>
    /// <param name="file">The file.</param>
    public bool Has(string commit, HubFile file) =>
        GetLength(Path.Combine(SnapshotPath(commit), file.Path)) is { } length && (file.Size is null || length == file.Size);

    /// <summary>
    /// Adds a blob to a snapshot: as a link, or by moving the file itself where the system allows no links. Another process may do the same at the same time.
    /// </summary>
    /// <param name="commit">The snapshot's commit.</param>
    /// <param name="file">The file, whose blob is in the cache.</param>
    public void Link(string commit, HubFile file)
    {
        string path = Path.Combine(SnapshotPath(commit), file.Path);
        string directory = Path.GetDirectoryName(path)!;
        string blob = BlobPath(file.Hash!);
        Directory.CreateDirectory(directory);
        string made = $"{path}.{Guid.NewGuid():N}";
        try
        {
            File.CreateSymbolicLink(made, Path.GetRelativePath(directory, blob));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            File.Move(blob, path, overwrite: true);
            return;
        }

        File.Move(made, path, overwrite: true);
    }

    /// <summary>Records the commit of the revision; to be called once all its files are there.</summary>
    /// <param name="commit">The commit, 40 hexadecimal digits.</param>
    public void SetCommit(string commit)
    {
        if (model.Commit is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(RefPath)!);
            AtomicFile.Write(RefPath, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
        }
    }

    /// <summary>The length of a file in bytes, links followed; null where there is none.</summary>
    /// <param name="path">The file.</param>
    public static long? GetLength(string path)
    {
        try
        {
            using var file = new FileBytes(path);
            return file.Length;
        }
        catch (WeightFileException)
        {
            return null;
        }
    }
}
