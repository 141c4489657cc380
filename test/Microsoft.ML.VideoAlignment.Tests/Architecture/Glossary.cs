namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Where a source quotes words that are not its own: keys of files, names of other programs' options, prompts.</summary>
internal static class Glossary
{
    private static readonly string[] s_quotations = [];

    /// <param name="line">A line of a source file.</param>
    public static bool IsQuotation(string line) => s_quotations.Any(quotation => line.Contains(quotation, StringComparison.Ordinal));
}
