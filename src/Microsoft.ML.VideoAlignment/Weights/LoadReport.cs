namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>The fate of every tensor of a source and every key of a module.</summary>
internal sealed record LoadReport
{
    public required string Location { get; init; }

    /// <summary>Keys of the module that were (or would be) filled.</summary>
    public required IReadOnlyList<string> Loaded { get; init; }

    /// <summary>Keys of the module that the file lacks and the key map does not call optional. Not empty: an error.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>Names in the file for which the module has no key. Not empty: an error.</summary>
    public required IReadOnlyList<string> Unexpected { get; init; }

    /// <summary>"key: file [shape], module [shape]". Not empty: an error.</summary>
    public required IReadOnlyList<string> ShapeMismatch { get; init; }

    /// <summary>"key: from -> to", floating types only.</summary>
    public required IReadOnlyList<string> DtypeConverted { get; init; }

    /// <summary>Keys filled from a tensor with other axes of size 1, as the key map allowed.</summary>
    public required IReadOnlyList<string> Reshaped { get; init; }

    /// <summary>Names in the file that were left out: outside the prefix, or not wanted by the key map.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    public bool Fits => Missing.Count + Unexpected.Count + ShapeMismatch.Count == 0;

    /// <summary>The misfits, one sentence a kind, each with at most ten names.</summary>
    public string Problem => string.Join(" ", new[]
    {
        Sentence("missing from the file", Missing), Sentence("not in the network", Unexpected), Sentence("of another shape or kind", ShapeMismatch),
    }.Where(text => text.Length > 0));

    private static string Sentence(string what, IReadOnlyList<string> names) =>
        names.Count == 0 ? "" : $"{names.Count} {what}: {string.Join(", ", names.Take(10))}{(names.Count > 10 ? ", ..." : "")}.";
}
