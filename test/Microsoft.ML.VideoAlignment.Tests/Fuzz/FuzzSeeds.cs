using System.Text;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Small sound inputs to make mutants of.</summary>
internal static class FuzzSeeds
{
    /// <summary>A file of a conformance case.</summary>
    /// <param name="path">Suite, case and file.</param>
    public static byte[] Case(params string[] path) => File.ReadAllBytes(Path.Combine([ConformanceCase.Root, .. path]));

    public static byte[][] Utf8(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];
}
