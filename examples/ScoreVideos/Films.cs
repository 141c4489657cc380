using Microsoft.ML.VideoAlignment.Media;

namespace ScoreVideos;

/// <summary>The videos of a folder: animated images, video files, and folders of PNG frames.</summary>
internal static class Films
{
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
        foreach (string path in Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(path);
            if (Fault(folder, path) is { } fault)
            {
                others.Add($"{name}: {fault}");
            }
            else
            {
                videos.Add((name, path));
            }
        }

        return videos.Count > 0 ? (videos, others) : throw new UsageException($"'{folder}' holds no video ({Kinds}); {others.Count} entries passed over");
    }

    /// <summary>The prompt of each video by its name: from a tab-separated file (file, prompt), or from the name itself, "a-red-circle.gif".</summary>
    public static Func<string, string> Prompts(string? file)
    {
        if (file is null)
        {
            return name => Path.GetFileNameWithoutExtension(name).Replace('-', ' ').Replace('_', ' ');
        }

        var prompts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in CommandLine.Open("--prompts", () => File.ReadAllLines(file)).Where(line => line.Length > 0))
        {
            string[] cells = line.Split('\t');
            prompts[cells[0]] = cells.Length > 1 ? cells[1] : throw new UsageException($"--prompts: '{line}' has no tab: expected file, tab, prompt");
        }

        return name => prompts.TryGetValue(name, out string? prompt) ? prompt : throw new UsageException($"--prompts: '{file}' has no line for '{name}'");
    }

    /// <summary>Reads one; null, and a line for the user, where it cannot be read: one bad file does not lose the others' scores.</summary>
    public static VideoClip? Read(string name, string path, Action<string> passOver)
    {
        try
        {
            return CommandLine.Open(name, () => VideoFile.Read(path));
        }
        catch (UsageException error)
        {
            passOver(error.Message);
            return null;
        }
    }

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
