using Microsoft.ML.VideoAlignment.Media;

namespace ScoreVideos;

/// <summary>The videos of a folder: GIF and WebP files, and folders of PNG frames.</summary>
internal static class Films
{
    public static IReadOnlyList<(string Name, string Path)> In(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new UsageException($"the folder '{folder}' does not exist");
        }

        (string, string)[] films =
        [
            .. Directory.EnumerateFileSystemEntries(folder).Where(IsFilm).Order(StringComparer.Ordinal).Select(path => (Path.GetFileName(path), path)),
        ];
        return films.Length > 0 ? films : throw new UsageException($"'{folder}' holds no .gif, no .webp and no folder of .png frames");
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

    /// <summary>Reads one; what cannot be read is said by name.</summary>
    public static VideoClip Read(string path) => CommandLine.Open(Path.GetFileName(path), () => VideoFile.Read(path));

    private static bool IsFilm(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path, "*.png").Any() : Path.GetExtension(path).ToLowerInvariant() is ".gif" or ".webp";
}
