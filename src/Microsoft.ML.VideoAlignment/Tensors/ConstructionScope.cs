namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Parts of something that is being made: disposed together where the making fails.</summary>
internal sealed class ConstructionScope : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    /// <summary>Takes a part, which is now disposed unless the whole is finished.</summary>
    public T Add<T>(T part)
        where T : IDisposable
    {
        _parts.Add(part);
        return part;
    }

    /// <summary>Hands every part over to the whole.</summary>
    public T Finish<T>(T whole)
    {
        _parts.Clear();
        return whole;
    }

    public void Dispose() => _parts.ForEach(part => part.Dispose());
}
