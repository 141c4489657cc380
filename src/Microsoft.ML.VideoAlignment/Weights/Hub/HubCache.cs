namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>
/// One model in the cache of the hub's own tools, so that what they fetched is found and what is fetched here is found by them:
/// <c>models--owner--name/refs/REVISION</c> holds a commit, <c>snapshots/COMMIT/...</c> links to <c>blobs/HASH</c>.
/// </summary>
internal sealed class HubCache(string folder, HubModel model)
{
    /// <summary>The model's folder.</summary>
    public string Location { get; } = Path.Combine(folder, $"models--{model.Id.Replace("/", "--", StringComparison.Ordinal)}");

    private string RefPath => Path.Combine(Location, "refs", model.Revision);

    /// <summary>The place of the cache by the tools' rules.</summary>
    public static string DefaultFolder(Func<string, string?> environment)
    {
        string? Set(string name) => environment(name) is { Length: > 0 } value ? value : null;
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string cache = Set("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache");
        return Set("HF_HUB_CACHE") ?? Set("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(Set("HF_HOME") ?? Path.Combine(cache, "huggingface"), "hub");
    }

    /// <summary>The snapshot of the revision, or null where the cache has none.</summary>
    public string? Snapshot()
    {
        string? commit = model.Commit ?? (File.Exists(RefPath) ? File.ReadAllText(RefPath).Trim() : null);
        string? path = commit is { Length: > 0 } && HubModel.IsPlain(commit) ? SnapshotOf(commit) : null;
        return Directory.Exists(path) ? path : null;
    }

    public string SnapshotOf(string commit) => Path.Combine(Location, "snapshots", commit);

    public string Blob(string hash) => Path.Combine(Location, "blobs", hash);

    /// <summary>Whether the snapshot has the file whole.</summary>
    public bool Has(string commit, HubFile file) => LengthOf(Path.Combine(SnapshotOf(commit), file.Path)) is { } length && (file.Size is null || length == file.Size);

    /// <summary>Makes a blob part of a snapshot: a link, or the file itself where the system allows no links.</summary>
    public void Link(string commit, HubFile file)
    {
        string path = Path.Combine(SnapshotOf(commit), file.Path);
        string directory = Path.GetDirectoryName(path)!;
        string blob = Blob(file.Hash!);
        Directory.CreateDirectory(directory);
        File.Delete(path);
        try
        {
            File.CreateSymbolicLink(path, Path.GetRelativePath(directory, blob));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            File.Move(blob, path);
        }
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
