namespace Microsoft.ML.VideoAlignment.Video;

/// <summary>Finds files in a folder that others may have filled: a path or a symbolic link that leads out of it is not followed.</summary>
internal static class ImageFolder
{
    private const int MaxLinks = 40; // as Linux's own limit

    private static readonly StringComparison s_comparison =
        OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    private static readonly string[] s_devices = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

    /// <summary>
    /// Resolves the file that a path inside a folder names, following links; null where it leads out of the folder or is not a plain relative path.
    /// </summary>
    /// <param name="folder">The folder. It may be reached through links itself.</param>
    /// <param name="path">Relative to the folder. A part "..", a drive, an address, or the name of a Windows device is refused on every system.</param>
    /// <returns>An absolute path without links. The file need not exist.</returns>
    public static string? Resolve(string folder, string path)
    {
        string[] parts = path.Split('/', '\\');
        if (Path.IsPathRooted(path) || path.AsSpan().IndexOfAny(':', '\0') >= 0 || parts.Any(part => part == ".." || IsDevice(part)))
        {
            return null;
        }

        string root = Path.TrimEndingDirectorySeparator(Resolved(Path.GetFullPath(folder)) ?? "");
        string? file = Resolved(Path.GetFullPath(Path.Combine(root, path)));
        string prefix = root.EndsWith(Path.DirectorySeparatorChar) ? root : root + Path.DirectorySeparatorChar;
        return root.Length > 0 && file is not null && file.StartsWith(prefix, s_comparison) ? file : null;
    }

    /// <summary>Whether a path is a folder or lies inside it, links followed. The file system is asked about a path only where its text lies inside.</summary>
    /// <param name="folder">The folder. It may be reached through links itself.</param>
    /// <param name="path">Any path; a relative one begins at the working directory. The file need not exist.</param>
    public static bool Contains(string folder, string path)
    {
        string root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), file = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string prefix = Path.EndsInDirectorySeparator(root) ? root : root + Path.DirectorySeparatorChar;
        return string.Equals(root, file, s_comparison) || (file.StartsWith(prefix, s_comparison) && Resolve(root, file[prefix.Length..]) is not null);
    }

    // An absolute path with every link in it followed; null where the links form a circle.
    private static string? Resolved(string path)
    {
        string done = Path.GetPathRoot(path)!;
        var left = new Stack<string>(Parts(path).Reverse());
        int links = 0;
        while (left.TryPop(out string? part))
        {
            if (part is "." or "..")
            {
                done = part == "." ? done : Path.GetDirectoryName(done) ?? done;
                continue;
            }

            string next = Path.Combine(done, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                done = next;
                continue;
            }

            if (++links > MaxLinks)
            {
                return null;
            }

            done = Path.IsPathRooted(target) ? Path.GetPathRoot(target)! : done;
            foreach (string more in Parts(target).Reverse())
            {
                left.Push(more);
            }
        }

        return done;
    }

    private static string[] Parts(string path) =>
        path[Path.GetPathRoot(path)!.Length..].Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);

    // Whether Windows takes a name for a device whatever its extension: NUL, COM1, "aux.png"; or would drop its end.
    private static bool IsDevice(string part)
    {
        string name = part.Split('.')[0].TrimEnd(' ');
        bool isPort = name.StartsWith("COM", StringComparison.OrdinalIgnoreCase) || name.StartsWith("LPT", StringComparison.OrdinalIgnoreCase);
        bool numbered = isPort && name.Length == 4 && char.IsDigit(name[3]);
        return numbered || s_devices.Contains(name, StringComparer.OrdinalIgnoreCase);
    }
}
