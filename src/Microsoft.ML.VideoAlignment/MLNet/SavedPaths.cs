using System.Collections.Concurrent;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// The paths that models saved by this process name: the program chose them itself, so it may load again what it saved without further permission. Paths are
/// compared as text; links are not followed.
/// </summary>
internal static class SavedPaths
{
    private static readonly ConcurrentDictionary<string, bool> s_paths = new(
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);

    /// <summary>Adds the path of a file or folder.</summary>
    /// <param name="path">The path; null: none.</param>
    public static void Add(string? path)
    {
        if (!string.IsNullOrEmpty(path))
        {
            s_paths.TryAdd(Plain(path), true);
        }
    }

    /// <summary>Tells whether this process has saved a model that names a path.</summary>
    /// <param name="path">The path of a file or folder, without a zero character.</param>
    public static bool Contains(string path) => s_paths.ContainsKey(Plain(path));

    private static string Plain(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
}
