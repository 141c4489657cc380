namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Which query of a detector answers for which true box: the assignment of least cost (Carion et al. 2020, arXiv 2005.12872, section 3.1), found by trying
/// them all, since an image has two boxes at most. Boxes are [..., 4]: center x, center y, width, height as parts of the image.
/// </summary>
internal static class BoxMatching
{
    public const int MostBoxes = 2;

    public const double DistanceWeight = 5;
    public const double OverlapWeight = 2;

    /// <summary>Intersection over union, and the generalized one (Rezatofighi et al. 2019, arXiv 1902.09630); a and b broadcast.</summary>
    public static (Tensor Plain, Tensor Generalized) Overlap(Tensor a, Tensor b)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor Low, Tensor High) Corners(Tensor box) => (box.narrow(-1, 0, 2) - (box.narrow(-1, 2, 2) / 2), box.narrow(-1, 0, 2) + (box.narrow(-1, 2, 2) / 2));
        ((Tensor lowA, Tensor highA), (Tensor lowB, Tensor highB)) = (Corners(a), Corners(b));
        Tensor common = (minimum(highA, highB) - maximum(lowA, lowB)).clamp(min: 0).prod(-1);
        Tensor hull = (maximum(highA, highB) - minimum(lowA, lowB)).prod(-1);
        Tensor union = a.narrow(-1, 2, 2).prod(-1) + b.narrow(-1, 2, 2).prod(-1) - common;
        Tensor plain = common / (union + 1e-9);
        return (plain.MoveToOuterDisposeScope(), (plain - ((hull - union) / (hull + 1e-9))).MoveToOuterDisposeScope());
    }

    /// <summary>
    /// probabilities: [N, Q, classes + 1]; boxes: [N, Q, 4]; labels: [N][boxes of the image], truth: [N, 2, 4], rows without a box anything -> (query of each
    /// true box) for every image. The cost is -p(label) + 5 |difference| + 2 (1 - generalized overlap).
    /// </summary>
    public static int[][] Assign(Tensor probabilities, Tensor boxes, IReadOnlyList<int[]> labels, Tensor truth)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor one = boxes.unsqueeze(2); // [N, Q, 1, 4]
        Tensor other = truth.unsqueeze(1); // [N, 1, 2, 4]
        Tensor place = (DistanceWeight * (one - other).abs().sum(-1)) + (OverlapWeight * (1 - Overlap(one, other).Generalized)); // [N, Q, 2]
        float[] cost = place.contiguous().data<float>().ToArray();
        float[] sure = probabilities.contiguous().data<float>().ToArray();
        (int queries, int classes) = ((int)probabilities.shape[1], (int)probabilities.shape[2]);
        float Cost(int image, int query, int box) =>
            cost[(((image * queries) + query) * MostBoxes) + box] - sure[(((image * queries) + query) * classes) + labels[image][box]];

        return [.. labels.Select((found, image) => found.Length switch
        {
            0 => Array.Empty<int>(),
            1 => [Enumerable.Range(0, queries).MinBy(query => Cost(image, query, 0))],
            _ => Pairs(queries).MinBy(pair => Cost(image, pair[0], 0) + Cost(image, pair[1], 1))!,
        })];
    }

    private static IEnumerable<int[]> Pairs(int queries) =>
        Enumerable.Range(0, queries)
            .SelectMany(first => Enumerable.Range(0, queries).Where(second => second != first).Select(second => new[] { first, second }));
}
