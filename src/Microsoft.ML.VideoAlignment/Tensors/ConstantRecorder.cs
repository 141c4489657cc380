namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The constants of one run of a loss, in the order it meets them: the first run records them, later runs get the recorded values back.</summary>
/// <remarks>With the constants held, the difference quotient of the loss is that of the function whose derivative back-propagation computes.</remarks>
internal sealed class ConstantRecorder : IDisposable
{
    private readonly List<(string What, object Value)> _values = [];
    private int _next;
    private bool _recorded;

    /// <summary>Counts the constants of a kind.</summary>
    /// <param name="what">The kind, as given to <see cref="StopGradient"/>.</param>
    public int Count(string what) => _values.Count(value => value.What == what);

    /// <summary>Runs the loss; the first run records, each later one replays.</summary>
    /// <param name="run">Computes the loss.</param>
    /// <returns>What the run returns.</returns>
    /// <exception cref="InvalidOperationException">A later run met other constants than the first: it did not compute the same function.</exception>
    public T Run<T>(Func<T> run)
    {
        _next = 0;
        T result;
        using (StopGradient.Record(this))
        {
            result = run();
        }

        if (_recorded && _next != _values.Count)
        {
            throw new InvalidOperationException($"A run met {_next} constants where the first met {_values.Count}.");
        }

        _recorded = true;
        return result;
    }

    /// <summary>Records or replays a tensor.</summary>
    /// <param name="what">The kind of constant.</param>
    /// <param name="branch">Computes it; called while recording.</param>
    /// <returns>A fresh alias.</returns>
    public Tensor RecordTensor(string what, Func<Tensor> branch) => RecordOrReplay(what, () =>
    {
        using Tensor value = branch();
        return value.alias().DetachFromDisposeScope();
    }).alias();

    /// <summary>Records or replays a number.</summary>
    /// <param name="what">The kind of constant.</param>
    /// <param name="branch">Computes it; called while recording.</param>
    public double RecordNumber(string what, Func<double> branch) => RecordOrReplay(what, branch);

    public void Dispose()
    {
        foreach ((_, object value) in _values)
        {
            (value as IDisposable)?.Dispose();
        }

        _values.Clear();
    }

    private T RecordOrReplay<T>(string what, Func<T> branch)
        where T : notnull
    {
        if (!_recorded)
        {
            _values.Add((what, branch()));
        }

        int place = _next++;
        return place < _values.Count && _values[place] is var (known, value) && known == what && value is T held
            ? held
            : throw new InvalidOperationException($"A run met another constant ({what}, number {place}) than the first: it did not compute the same function.");
    }
}
