using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Blocks of a decoder on images so large that not even one block's own tensors should be whole: the same results, band by band.</summary>
internal static class BandedBlocks
{
    /// <summary>Runs a residual block of two halves, each of which begins with a norm.</summary>
    /// <param name="bands">The bands, whose halo is as wide as what both halves look at.</param>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="groups">Groups of both norms.</param>
    /// <param name="view">Images as the norms see them: themselves, or one video.</param>
    /// <param name="firstHalf">From images and the moments of the first norm to what the second norm sees.</param>
    /// <param name="secondHalf">From images, what the first half gave and the moments of the second norm to images.</param>
    /// <returns>[N, C', H, W].</returns>
    public static Tensor Residual(
        ImageBands bands, Tensor x, long groups, Func<Tensor, Tensor> view, Func<Tensor, Tensor, Tensor> firstHalf,
        Func<Tensor, Tensor, Tensor, Tensor> secondHalf)
    {
        return bands.Map(
            x, given => secondHalf(given[0], firstHalf(given[0], given[1]), given[2]),
            new GroupStatistic(given => view(given[0]), groups), new GroupStatistic(given => firstHalf(given[0], given[1]), groups));
    }

    /// <summary>Runs a norm, an activation and a 3x3 convolution.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="norm">The norm.</param>
    /// <param name="activation">The activation.</param>
    /// <param name="conv">The convolution, of stride 1 and padding 1.</param>
    /// <returns>[N, C', H, W].</returns>
    public static Tensor NormAndConvolve(Tensor x, GroupNorm norm, Activation activation, Conv2d conv)
    {
        return new ImageBands(together: 1, halo: 1).Map(
            x, given => conv.forward(norm.ForwardActivated(given[0], activation, given[1])), new GroupStatistic(given => given[0], norm.Groups));
    }
}
