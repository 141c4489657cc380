namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Where the models that ship with the library lie: the folder MovingShapes beside the program.</summary>
internal static class EmbeddedModels
{
    /// <summary>The place of a part such as "clip" or "aesthetic-head.safetensors".</summary>
    /// <exception cref="FileNotFoundException">The part did not come along.</exception>
    public static string Find(string part)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "MovingShapes", part);
        return File.Exists(path) || Directory.Exists(path)
            ? path
            : throw new FileNotFoundException($"The embedded model's '{part}' is not at {path}. It is copied there by the package when a project is built or published; " +
                "a program that moves its files must take the folder MovingShapes along.", path);
    }
}
