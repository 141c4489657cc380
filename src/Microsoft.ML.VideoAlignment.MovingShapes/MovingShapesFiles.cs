namespace Microsoft.ML.VideoAlignment.MovingShapes;

/// <summary>Finds the files of this package's models: the folder MovingShapes beside the program, beside this assembly, or in the package.</summary>
internal static class MovingShapesFiles
{
    private const string Folder = "MovingShapes";

    /// <summary>Finds a part such as "clip" or "aesthetic-head.safetensors".</summary>
    /// <param name="part">The name of a file or folder in the folder MovingShapes.</param>
    /// <returns>Its full path.</returns>
    /// <exception cref="FileNotFoundException">The part did not come along.</exception>
    public static string Find(string part) => Find(part, Places(AppContext.BaseDirectory, AssemblyFolder()));

    /// <summary>Finds a part in the first of several folders that has it.</summary>
    /// <param name="part">The name of a file or folder.</param>
    /// <param name="places">Folders, at least one, in the order in which they are searched.</param>
    /// <returns>Its path in that folder.</returns>
    /// <exception cref="FileNotFoundException">No folder has it.</exception>
    internal static string Find(string part, IReadOnlyList<string> places) =>
        places.Select(place => Path.Combine(place, part)).FirstOrDefault(Path.Exists)
        ?? throw new FileNotFoundException(
            $"The embedded model's '{part}' is at none of {string.Join(", ", places)}. The package copies it beside a program that is built or published; a "
                + $"program that moves its files must take the folder {Folder} along, and a script or plug-in finds it beside this assembly or in the package.",
            Path.Combine(places[0], part));

    /// <summary>Lists the folders that are searched, in this order.</summary>
    /// <param name="program">The folder of the running program. It is the host's where this assembly was loaded by a script or as a plug-in.</param>
    /// <param name="assembly">
    /// The folder of this assembly; empty where it is part of a single file. In a package that is lib/net10.0, and the models lie in buildTransitive.
    /// </param>
    internal static IReadOnlyList<string> Places(string program, string assembly) =>
        [.. new[] { program, assembly, assembly.Length == 0 ? "" : Path.Combine(assembly, "..", "..", "buildTransitive") }
            .Where(place => place.Length > 0).Select(place => Path.GetFullPath(Path.Combine(place, Folder))).Distinct(StringComparer.Ordinal)];

    private static string AssemblyFolder() => Path.GetDirectoryName(typeof(MovingShapesFiles).Assembly.Location) ?? "";
}
