namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>What a file declares of one tensor, known before any of it is read.</summary>
/// <param name="Dtype">The type that <see cref="IWeightSource.Read"/> returns.</param>
/// <param name="Shape">The sizes of its axes.</param>
internal readonly record struct WeightInfo(ScalarType Dtype, IReadOnlyList<long> Shape);

/// <summary>Named tensors in one or several files, read one at a time so that peak memory stays near the size of what is kept.</summary>
internal interface IWeightSource : IDisposable
{
    /// <summary>The path, for errors and reports.</summary>
    string Location { get; }

    /// <summary>Every tensor by its name in the file.</summary>
    IReadOnlyDictionary<string, WeightInfo> Entries { get; }

    /// <summary>Reads a tensor onto the CPU, contiguous and in the file's dtype; the caller owns it.</summary>
    /// <param name="name">The name in the file.</param>
    Tensor Read(string name);

    /// <summary>Reads a tensor in order as flat pieces, so that a large one takes little memory besides its destination.</summary>
    /// <remarks>A source that cannot do so passes one piece.</remarks>
    /// <param name="name">The name in the file.</param>
    /// <param name="unit">The number of elements of which each piece holds a multiple, at least 1.</param>
    /// <param name="take">Receives each piece, which lives until the call returns.</param>
    void ReadInPieces(string name, long unit, Action<Tensor> take)
    {
        using Tensor whole = Read(name);
        using Tensor flat = whole.view(-1);
        take(flat);
    }
}
