namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A source whose reading ends at the next piece of a tensor once a token is canceled.</summary>
internal sealed class CancelableWeights : IWeightSource
{
    private readonly IWeightSource _source;
    private readonly CancellationToken _cancellation;

    private CancelableWeights(IWeightSource source, CancellationToken cancellation) => (_source, _cancellation) = (source, cancellation);

    public string Location => _source.Location;

    public IReadOnlyDictionary<string, WeightInfo> Entries => _source.Entries;

    /// <summary>Wraps a source; returns the source itself where the token can never be canceled.</summary>
    /// <param name="source">The source; the result owns it.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public static IWeightSource Watch(IWeightSource source, CancellationToken cancellation) =>
        cancellation.CanBeCanceled ? new CancelableWeights(source, cancellation) : source;

    public Tensor Read(string name)
    {
        _cancellation.ThrowIfCancellationRequested();
        return _source.Read(name);
    }

    public void ReadInPieces(string name, long unit, Action<Tensor> take)
    {
        _cancellation.ThrowIfCancellationRequested();
        _source.ReadInPieces(name, unit, piece =>
        {
            _cancellation.ThrowIfCancellationRequested();
            take(piece);
        });
    }

    public void Dispose() => _source.Dispose();
}
