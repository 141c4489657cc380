namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>A folder like the one the tests were built into, in which one assembly is another and the temporary files of the runs lie.</summary>
internal sealed class Stage
{
    /// <summary>
    /// Lays it out: copies of the assemblies, so that a build beside does not disturb the run, and links to folders and to what is a link there.
    /// </summary>
    /// <param name="built">Where the tests were built.</param>
    /// <param name="folder">An empty folder, or an earlier stage.</param>
    public Stage(string built, string folder)
    {
        Folder = folder;
        Temporary = Path.Combine(folder, "temporary");
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(Temporary);
        foreach (FileSystemInfo entry in new DirectoryInfo(built).EnumerateFileSystemInfos())
        {
            string target = Path.Combine(folder, entry.Name);
            _ = entry is DirectoryInfo ? Directory.CreateSymbolicLink(target, entry.FullName)
                : entry.LinkTarget is not null ? File.CreateSymbolicLink(target, entry.FullName)
                : ((FileInfo)entry).CopyTo(target);
        }

        File.Delete(Library);
        File.Copy(typeof(Stage).Assembly.Location, Program, overwrite: true);
    }

    /// <summary>Where everything lies.</summary>
    public string Folder { get; }

    /// <summary>For temporary files of the tests.</summary>
    public string Temporary { get; }

    /// <summary>Where the assembly with the faults goes.</summary>
    public string Library => Path.Combine(Folder, "Microsoft.ML.VideoAlignment.dll");

    /// <summary>This program, which runs the tests there.</summary>
    public string Program => Path.Combine(Folder, "Microsoft.ML.VideoAlignment.Mutations.dll");

    /// <summary>What the tests are described by.</summary>
    public string Tests => Path.Combine(Folder, "Microsoft.ML.VideoAlignment.Tests");
}
