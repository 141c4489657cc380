using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>The convolution that all layers are made of.</summary>
internal static class Convolution
{
    /// <summary>x: [N, in, H, W]; weight: [out, in, k, l] -> [N, out, H', W']. Stride 1 and no padding unless given.</summary>
    public static Tensor Of(Tensor x, Tensor weight, Tensor? bias, long[]? stride = null, long[]? padding = null) => ShapeOnly.Holds(x)
        ? ShapeOnly.Convolution(x, weight, bias, stride ?? [1, 1], padding ?? [0, 0])
        : nn.functional.conv2d(x, weight, bias, stride, padding);
}
