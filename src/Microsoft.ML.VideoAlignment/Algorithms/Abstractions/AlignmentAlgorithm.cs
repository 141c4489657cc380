using Microsoft.ML.VideoAlignment.Algorithms;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Where the gradient of an alignment comes from. The reward's own gradient (VADER) is the default; the other two are the paper's baselines, which use
/// nothing of a reward but its scores, so that it need not be differentiable.
/// </summary>
public sealed partial record AlignmentAlgorithm
{
    /// <summary>Makes a choice of an algorithm.</summary>
    /// <param name="definition">The algorithm with its options.</param>
    internal AlignmentAlgorithm(IAlgorithm definition) => Definition = definition;

    /// <summary>The algorithm with its options.</summary>
    internal IAlgorithm Definition { get; }

    /// <summary>Gives the algorithm's name and options.</summary>
    public override string ToString() => $"{Definition}";
}
