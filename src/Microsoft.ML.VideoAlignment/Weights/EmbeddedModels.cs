namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Finds the models that ship with the library: in the folder MovingShapes next to the program, next to this assembly, or in its package.</summary>
internal static class EmbeddedModels
{
    private const string Folder = "MovingShapes";

    /// <summary>Returns the path of a part of the embedded models.</summary>
    /// <param name="part">The name of a file or folder, such as "clip" or "aesthetic-head.safetensors".</param>
    /// <exception cref="FileNotFoundException">The part was not deployed.</exception>
    public static string Find(string part) => Find(part, Places(AppContext.BaseDirectory, AssemblyFolder()));

    /// <summary>Returns the path of a part in the first folder that has it.</summary>
    /// <param name="part">The name of a file or folder.</param>
    /// <param name="places">The folders to search, in order; at least one.</param>
    /// <exception cref="FileNotFoundException">No folder has the part.</exception>
    internal static string Find(string part, IReadOnlyList<string> places) =>
        places.Select(place => Path.Combine(place, part)).FirstOrDefault(Path.Exists)
        ?? throw new FileNotFoundException(
                $"The embedded model's '{part}' is in none of {string.Join(", ", places)}. The package copies it next to a program that is built or "
                + $"published; a program that moves its files must move the folder {Folder} too, and a script or plug-in finds it next to this library "
                + "or in the package.",
            Path.Combine(places[0], part));

    /// <summary>Lists the folders to search, in order.</summary>
    /// <param name="program">The folder of the running program. It is the host's where this library was loaded by a script or as a plug-in.</param>
    /// <param name="assembly">The folder of this assembly; empty where it is part of a single file. In a package that is lib/net10.0, and the models are under
    /// buildTransitive.</param>
    internal static IReadOnlyList<string> Places(string program, string assembly) =>
        [.. new[] { program, assembly, assembly.Length == 0 ? "" : Path.Combine(assembly, "..", "..", "buildTransitive") }
            .Where(place => place.Length > 0).Select(place => Path.GetFullPath(Path.Combine(place, Folder))).Distinct(StringComparer.Ordinal)];

    private static string AssemblyFolder() => Path.GetDirectoryName(typeof(EmbeddedModels).Assembly.Location) ?? "";
}
