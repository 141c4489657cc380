namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// One model in the cache of the hub's own tools, so that what they fetched is found and what is fetched here is found by them:
/// <c>models--owner--name/refs/REVISION</c> holds a commit, <c>snapshots/COMMIT/...</c> links to <c>blobs/HASH</c>; who fetches a blob holds <c>.locks/models--owner--name/HASH.lock</c>.
/// </summary>
internal sealed class HubCache(string folder, HubModel model)
{
    private string Name => $"models--{model.Id.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>The model's folder.</summary>
    public string Location => Path.Combine(folder, Name);

    private string RefPath => Path.Combine(Location, "refs", model.Revision);

    /// <summary>The place of the cache by the tools' rules.</summary>
    public static string DefaultFolder(Func<string, string?> environment) => new HubEnvironment(environment).CacheFolder;

    /// <summary>The snapshot of the revision, or null where the cache has none.</summary>
    public string? Snapshot()
    {
        string? commit = model.Commit ?? (File.Exists(RefPath) ? File.ReadAllText(RefPath).Trim() : null);
        string? path = commit is { Length: > 0 } && HubModel.IsPlain(commit) ? SnapshotOf(commit) : null;
        return Directory.Exists(path) ? path : null;
    }

    public string SnapshotOf(string commit) => Path.Combine(Location, "snapshots", commit);

    public string Blob(string hash) => Path.Combine(Location, "blobs", hash);

    /// <summary>What an unfinished download of a blob is called.</summary>
    public string Partial(string hash) => $"{Blob(hash)}.incomplete";

    /// <summary>The file that is locked by whoever fetches a blob.</summary>
    public string LockFile(string hash) => Path.Combine(folder, ".locks", Name, $"{hash}.lock");

    /// <summary>Whether the blob is there whole.</summary>
    public bool HasBlob(HubFile file) => LengthOf(Blob(file.Hash!)) is { } length && (file.Size is null || length == file.Size);

    /// <summary>Whether the snapshot has the file whole.</summary>
    public bool Has(string commit, HubFile file) => LengthOf(Path.Combine(SnapshotOf(commit), file.Path)) is { } length && (file.Size is null || length == file.Size);

    /// <summary>Makes a blob part of a snapshot: a link, or the file itself where the system allows no links. Another process may do the same at the same time.</summary>
    public void Link(string commit, HubFile file)
    {
        string path = Path.Combine(SnapshotOf(commit), file.Path);
        string directory = Path.GetDirectoryName(path)!;
        string blob = Blob(file.Hash!);
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

    /// <summary>Remembers the commit of the revision, once all its files are there.</summary>
    public void SetCommit(string commit)
    {
        if (model.Commit is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(RefPath)!);
            WrittenFile.Write(RefPath, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
        }
    }

    /// <summary>Bytes of a file, through links; null where there is none.</summary>
    public static long? LengthOf(string path)
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
