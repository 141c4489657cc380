namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>Collects warnings of a trainer, each kind once per run.</summary>
internal sealed class RunNotices
{
    private readonly HashSet<string> _kinds = new(StringComparer.Ordinal);
    private readonly List<string> _new = [];

    /// <summary>Adds a warning, unless there has been one of its kind.</summary>
    /// <param name="kind">The kind of warning.</param>
    /// <param name="text">The warning.</param>
    public void Add(string kind, string text)
    {
        if (_kinds.Add(kind))
        {
            _new.Add(text);
        }
    }

    /// <summary>Gets the warnings that were added since the last call.</summary>
    public IReadOnlyList<string> Drain()
    {
        string[] texts = [.. _new];
        _new.Clear();
        return texts;
    }
}
