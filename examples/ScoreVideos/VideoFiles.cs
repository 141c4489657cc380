using Microsoft.ML.VideoAlignment.Media;

namespace ScoreVideos;

/// <summary>The videos of a folder: animated images, video files, and folders of PNG frames.</summary>
internal static class VideoFiles
{
    /// <summary>Height and width of the embedded world's videos.</summary>
    private const int EmbeddedSide = 32;

    /// <summary>What <see cref="In"/> looks for, for the help.</summary>
    public static string Kinds => $"{string.Join(", ", VideoFile.ReadableExtensions)}, folders of .png frames";

    /// <summary>The entries of a folder that are videos by their names, and what the others are.</summary>
    public static (IReadOnlyList<(string Name, string Path)> Videos, IReadOnlyList<string> PassedOver) In(string folder)
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
        foreach (string path in Directory.EnumerateFileSystemEntries(folder).Concat(isResult ? Directory.EnumerateFileSystemEntries(own) : []).Order(StringComparer.Ordinal))
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

    /// <summary>The prompts of a result's videos; null: it is none.</summary>
    public static string? PromptsOfResult(string folder) => IsResult(folder) && Path.Combine(folder, "videos.tsv") is var file && File.Exists(file) ? file : null;

    /// <summary>The prompt of each video by its name: from a tab-separated file (file, prompt), or from the name itself, "a-red-circle.gif".</summary>
    /// <param name="file">The file; null: none.</param>
    /// <param name="every">Whether every video must have a line.</param>
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

        return name => prompts.TryGetValue(name, out string? prompt) ? prompt : !every ? FromName(name) : throw new UsageException($"--prompts: '{file}' has no line for '{name}'");
    }

    /// <summary>Reads one; null, and a line for the user, where it cannot be read or scored: one bad file does not lose the others' scores.</summary>
    /// <param name="name">As the table has it.</param>
    /// <param name="path">The file or folder.</param>
    /// <param name="embedded">Whether a reward of the embedded world looks at it: a sheet of its videos has another shape than one of them, each pixel enlarged or not.</param>
    /// <param name="passOver">Told why it is passed over.</param>
    public static VideoClip? Read(string name, string path, bool embedded, Action<string> passOver)
    {
        try
        {
            VideoClip clip = CommandLine.Open(name, () => VideoFile.Read(path));
            if (!embedded || (clip.Height == clip.Width && clip.Height % EmbeddedSide == 0))
            {
                return clip;
            }

            passOver($"{name}: {clip.Width} x {clip.Height} pixels are no video of the embedded rewards' world, {EmbeddedSide} x {EmbeddedSide} or a whole multiple");
            return null;
        }
        catch (UsageException error)
        {
            passOver(error.Message);
            return null;
        }
    }

    private static bool IsResult(string folder) => File.Exists(Path.Combine(folder, ResultFolder.Card)) && Directory.Exists(Path.Combine(folder, ResultFolder.Videos));

    private static string? Fault(string folder, string path)
    {
        bool isFolder = Directory.Exists(path);
        FileSystemInfo? target = isFolder ? Directory.ResolveLinkTarget(path, returnFinalTarget: true) : File.ResolveLinkTarget(path, returnFinalTarget: true);
        if (target is not null && !target.FullName.StartsWith(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            return "a link that leads out of the folder";
        }

        return isFolder
            ? Directory.EnumerateFiles(path).Any(file => Path.GetExtension(file).Equals(".png", StringComparison.OrdinalIgnoreCase)) ? null : "a folder without .png frames"
            : VideoFile.ReadableExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) ? null : "no video by its extension";
    }
}
