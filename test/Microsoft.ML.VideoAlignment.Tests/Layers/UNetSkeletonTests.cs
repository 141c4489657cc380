using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Tests;

public class UNetSkeletonTests
{
    /// <summary>Two levels of one layer: the skips are the first convolution's, the layer's and the halved one's, and the deep layer's.</summary>
    [TestCase(4)]
    [TestCase(8)]
    public void WidthsOnTheWayUpIncludeTheSkips(long first)
    {
        (IReadOnlyList<IReadOnlyList<long>> down, IReadOnlyList<IReadOnlyList<long>> up) = UNetSkeleton.ComputeWidths(first, [8, 16], [1, 1]);
        Assert.That(down, Is.EqualTo(new long[][] { [first], [8] }));
        Assert.That(up, Is.EqualTo(new long[][] { [16 + 16, 16 + 8], [16 + 8, 8 + first] }));
    }
}
