namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Owns the parts of an object under construction, and disposes them where the construction fails.</summary>
internal sealed class ConstructionScope : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    /// <summary>Takes a part, which is disposed unless the whole is finished.</summary>
    /// <typeparam name="T">Its type.</typeparam>
    /// <param name="part">The part.</param>
    /// <returns>The part.</returns>
    public T Add<T>(T part)
        where T : IDisposable
    {
        _parts.Add(part);
        return part;
    }

    /// <summary>Hands every part over to the whole.</summary>
    /// <typeparam name="T">Its type.</typeparam>
    /// <param name="whole">The object that owns the parts from now on.</param>
    /// <returns>The whole.</returns>
    public T Finish<T>(T whole)
    {
        _parts.Clear();
        return whole;
    }

    public void Dispose() => _parts.ForEach(part => part.Dispose());
}
