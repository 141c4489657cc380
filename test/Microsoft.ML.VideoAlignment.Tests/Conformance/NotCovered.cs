namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The one place that lists what the product does not cover yet. Anything else without a runner fails.</summary>
internal static class NotCovered
{
    /// <summary>Suite, and the kinds of it that are not covered; null: the whole suite.</summary>
    private static readonly Dictionary<string, string[]?> s_kinds = new(StringComparer.Ordinal)
    {
    };

    public static bool Contains(ConformanceCase testCase) =>
        s_kinds.TryGetValue(testCase.Suite, out string[]? kinds) && (kinds is null || kinds.Contains(testCase.Kind));
}
