namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>What a file says of one tensor before any of it is read.</summary>
internal readonly record struct WeightInfo(ScalarType Dtype, IReadOnlyList<long> Shape);

/// <summary>Named tensors in one or several files, read one at a time so that peak memory stays near the size of what is kept.</summary>
internal interface IWeightSource : IDisposable
{
    /// <summary>The path, for error messages and reports.</summary>
    string Location { get; }

    /// <summary>Every tensor by its name in the file.</summary>
    IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    /// <summary>A fresh CPU tensor in the file's dtype, contiguous; the caller owns it.</summary>
    Tensor Read(string name);

    /// <summary>
    /// Hands over the same numbers in order as flat pieces of a multiple of <paramref name="unit"/> elements, which live until the call returns: what is read of
    /// a large tensor then takes little beside what it is read into. A source that cannot do so hands over one piece.
    /// </summary>
    void ReadInPieces(string name, long unit, Action<Tensor> take)
    {
        using Tensor whole = Read(name);
        using Tensor flat = whole.view(-1);
        take(flat);
    }
}
