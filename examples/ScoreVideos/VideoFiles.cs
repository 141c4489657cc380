using Microsoft.ML.VideoAlignment.Media;

namespace ScoreVideos;

/// <summary>The videos of a folder: animated images, video files, and folders of PNG frames.</summary>
internal static class VideoFiles
{
    /// <summary>Height and width of the embedded world's videos.</summary>
    private const int EmbeddedSide = 32;

    /// <summary>What <see cref="Find"/> looks for, for the help.</summary>
    public static string Kinds => $"{string.Join(", ", VideoFile.ReadableExtensions)}, folders of .png frames";

    /// <summary>Finds the entries of a folder that are videos by their names.</summary>
    /// <param name="folder">The folder; of a result of another example its videos are found, and not the sheets of them.</param>
    /// <returns>The videos by name, and a line for each other entry.</returns>
    /// <exception cref="UsageException">The folder does not exist, or holds no video.</exception>
    public static (IReadOnlyList<(string Name, string Path)> Videos, IReadOnlyList<string> PassedOver) Find(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new UsageException($"the folder '{folder}' does not exist");
        }

        var videos = new List<(string, string)>();
        var others = new List<string>();
        string own = Path.Combine(folder, ResultFolder.Videos);
        bool isResult = IsResult(folder);
        IReadOnlyList<string> sheets = isResult ? ResultFolder.Listed(Path.Combine(folder, ResultFolder.Card)) : [];
        IEnumerable<string> entries = Directory.EnumerateFileSystemEntries(folder).Concat(isResult ? Directory.EnumerateFileSystemEntries(own) : []);
        foreach (string path in entries.Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(folder, path).Replace('\\', '/');
            if (isResult && path == own)
            {
                continue;
            }

            if (Fault(folder, path) is { } fault)
            {
                others.Add($"{name}: {fault}");
            }
            else if (Path.GetDirectoryName(path) != own && sheets.Contains(name))
            {
                others.Add($"{name}: a sheet of several videos; each by itself is in {ResultFolder.Videos}");
            }
            else
            {
                videos.Add((name, path));
            }
        }

        return videos.Count > 0 ? (videos, others) : throw new UsageException($"'{folder}' holds no video ({Kinds}); {others.Count} entries passed over");
    }

    /// <summary>Finds the file with the prompts of a result's videos.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The file; null: the folder is not a result, or has none.</returns>
    public static string? PromptsOfResult(string folder) =>
        IsResult(folder) && Path.Combine(folder, "videos.tsv") is var file && File.Exists(file) ? file : null;

    /// <summary>Reads the prompts of videos: from a tab-separated file (file, prompt), or from the video's name, "a-red-circle.gif".</summary>
    /// <param name="file">The file; null: none.</param>
    /// <param name="every">Whether every video must have a line; false: those without one have their name.</param>
    /// <returns>The prompt by a video's name.</returns>
    public static Func<string, string> Prompts(string? file, bool every)
    {
        static string FromName(string name) => Path.GetFileNameWithoutExtension(name).Replace('-', ' ').Replace('_', ' ');
        if (file is null)
        {
            return FromName;
        }

        var prompts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in CommandLine.Open("--prompts", () => File.ReadAllLines(file)).Where(line => line.Length > 0))
        {
            string[] cells = line.Split('\t');
            prompts[cells[0]] = cells.Length > 1 ? cells[1] : throw new UsageException($"--prompts: '{line}' has no tab: expected file, tab, prompt");
        }

        return name => prompts.TryGetValue(name, out string? prompt) ? prompt
            : !every ? FromName(name)
            : throw new UsageException($"--prompts: '{file}' has no line for '{name}'");
    }

    /// <summary>Reads a video. A bad file is passed over, so that the others' scores are not lost.</summary>
    /// <param name="name">Its name in the table.</param>
    /// <param name="path">The file or folder.</param>
    /// <param name="embedded">
    /// Whether a reward of the embedded world scores it: a sheet of that world's videos has another shape than one of them, each pixel enlarged or not.
    /// </param>
    /// <param name="passOver">Receives the line that says why a video is passed over.</param>
    /// <returns>The video; null: it cannot be read or scored.</returns>
    public static VideoClip? Read(string name, string path, bool embedded, Action<string> passOver)
    {
        try
        {
            VideoClip clip = CommandLine.Open(name, () => VideoFile.Read(path));
            if (!embedded || (clip.Height == clip.Width && clip.Height % EmbeddedSide == 0))
            {
                return clip;
            }

            passOver($"{name}: {clip.Width} x {clip.Height} pixels are not the size of the embedded rewards' videos, "
                + $"{EmbeddedSide} x {EmbeddedSide} or a whole multiple");
            return null;
        }
        catch (UsageException error)
        {
            passOver(error.Message);
            return null;
        }
    }

    private static bool IsResult(string folder) =>
        File.Exists(Path.Combine(folder, ResultFolder.Card)) && Directory.Exists(Path.Combine(folder, ResultFolder.Videos));

    private static string? Fault(string folder, string path)
    {
        bool isFolder = Directory.Exists(path);
        FileSystemInfo? target = isFolder ? Directory.ResolveLinkTarget(path, returnFinalTarget: true) : File.ResolveLinkTarget(path, returnFinalTarget: true);
        string within = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar;
        if (target is not null && !target.FullName.StartsWith(within, StringComparison.Ordinal))
        {
            return "a link that leads out of the folder";
        }

        return isFolder
            ? Directory.EnumerateFiles(path).Any(file => Path.GetExtension(file).Equals(".png", StringComparison.OrdinalIgnoreCase))
                ? null : "a folder without .png frames"
            : VideoFile.ReadableExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) ? null : "not a video by its extension";
    }
}
