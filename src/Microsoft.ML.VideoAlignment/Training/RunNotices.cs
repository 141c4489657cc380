namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>What a trainer has to report beside its steps, each kind of it once a run.</summary>
internal sealed class RunNotices
{
    private readonly HashSet<string> _kinds = new(StringComparer.Ordinal);
    private readonly List<string> _new = [];

    /// <summary>Keeps a text, unless there has been one of its kind.</summary>
    public void Add(string kind, string text)
    {
        if (_kinds.Add(kind))
        {
            _new.Add(text);
        }
    }

    /// <summary>What has come since the last call.</summary>
    public IReadOnlyList<string> Drain()
    {
        string[] texts = [.. _new];
        _new.Clear();
        return texts;
    }
}
