namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Where the models that ship with the library lie: the folder MovingShapes beside the program, beside this assembly, or in its package.</summary>
internal static class EmbeddedModels
{
    private const string Folder = "MovingShapes";

    /// <summary>The place of a part such as "clip" or "aesthetic-head.safetensors".</summary>
    /// <exception cref="FileNotFoundException">The part did not come along.</exception>
    public static string Find(string part) => Find(part, Places(AppContext.BaseDirectory, AssemblyFolder()));

    /// <summary>The first of the places that has the part.</summary>
    internal static string Find(string part, IReadOnlyList<string> places) =>
        places.Select(place => Path.Combine(place, part)).FirstOrDefault(Path.Exists)
        ?? throw new FileNotFoundException(
            $"The embedded model's '{part}' is at none of {string.Join(", ", places)}. The package copies it beside a program that is built or published; a program "
                + $"that moves its files must take the folder {Folder} along, and a script or plug-in finds it beside this library or in the package.",
            Path.Combine(places[0], part));

    /// <summary>Where it is looked for, in this order.</summary>
    /// <param name="program">The folder of the running program. It is the host's where this library was loaded by a script or as a plug-in.</param>
    /// <param name="assembly">
    /// The folder of this assembly; empty where it is part of a single file. In a package that is lib/net10.0, and the models lie under buildTransitive.
    /// </param>
    internal static IReadOnlyList<string> Places(string program, string assembly) =>
        [.. new[] { program, assembly, assembly.Length == 0 ? "" : Path.Combine(assembly, "..", "..", "buildTransitive") }
            .Where(place => place.Length > 0).Select(place => Path.GetFullPath(Path.Combine(place, Folder))).Distinct(StringComparer.Ordinal)];

    private static string AssemblyFolder() => Path.GetDirectoryName(typeof(EmbeddedModels).Assembly.Location) ?? "";
}
