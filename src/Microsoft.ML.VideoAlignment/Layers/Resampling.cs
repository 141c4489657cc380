using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Half the height and width by a stride-2 3x3 convolution, key <c>conv</c>. Reference: diffusers, <c>Downsample2D</c>.</summary>
internal sealed class Downsample2D : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv")]
    private readonly Conv2d _conv;

    private readonly bool _padEnd;

    /// <summary>Makes the layer.</summary>
    /// <param name="channels">C.</param>
    /// <param name="padding">Zeros around the image; 0: one column on the right and one row below instead, as the reference does.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public Downsample2D(long channels, long padding, Placement placement)
        : base(nameof(Downsample2D))
    {
        _conv = new Conv2d(channels, channels, 3, placement, stride: 2, padding: padding);
        _padEnd = padding == 0;
        RegisterComponents();
    }

    /// <summary>Halves height and width.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <returns>[N, C, H', W'].</returns>
    public override Tensor forward(Tensor x) => _padEnd ? ForwardPadded(_conv, x) : _conv.forward(x);

    /// <summary>Halves height and width by a convolution that is another module's.</summary>
    /// <param name="conv">A 3x3 convolution of stride 2 without padding.</param>
    /// <param name="x">[N, C, H, W]; one column of zeros on the right and one row below are added.</param>
    /// <returns>[N, C', H / 2, W / 2].</returns>
    internal static Tensor ForwardPadded(Conv2d conv, Tensor x)
    {
        using Tensor padded = nn.functional.pad(x, [0, 1, 0, 1]);
        return conv.forward(padded);
    }
}

/// <summary>A larger image by nearest neighbors and a 3x3 convolution, key <c>conv</c>. Reference: diffusers, <c>Upsample2D</c>.</summary>
internal sealed class Upsample2D : nn.Module
{
    // [4 * 4, 3 * 3]: which taps of the 3x3 kernel add up to each of the 4x4; along one axis tap d goes to 2 - d and 3 - d.
    private static readonly float[] s_spread =
        [.. from row in Enumerable.Range(0, 4) from column in Enumerable.Range(0, 4) from d in Enumerable.Range(0, 3) from e in Enumerable.Range(0, 3)
            select (row + d is 2 or 3) && (column + e is 2 or 3) ? 1f : 0f];

    [ComponentName(Name = "conv")]
    private readonly Conv2d _conv;

    public Upsample2D(long channels, Placement placement)
        : base(nameof(Upsample2D))
    {
        _conv = new Conv2d(channels, channels, 3, placement, padding: 1);
        RegisterComponents();
    }

    /// <summary>Enlarges an image: source pixel = floor(i * h / height).</summary>
    /// <param name="x">[N, C, h, w].</param>
    /// <param name="height">Rows of the result.</param>
    /// <param name="width">Columns of the result.</param>
    /// <returns>[N, C, height, width].</returns>
    public Tensor Forward(Tensor x, long height, long width) => Enlarge(_conv, x, height, width);

    /// <summary>Enlarges an image by a convolution that is another module's.</summary>
    /// <param name="conv">A 3x3 convolution with one pixel of padding.</param>
    /// <param name="x">[N, C, h, w].</param>
    /// <param name="height">Rows of the result.</param>
    /// <param name="width">Columns of the result.</param>
    /// <returns>[N, C', height, width].</returns>
    internal static Tensor Enlarge(Conv2d conv, Tensor x, long height, long width)
    {
        if (ComputeDevice.IsCpu(x) && (height, width) == (2 * x.shape[2], 2 * x.shape[3]) && conv.HasSingleWeight)
        {
            return Doubled(conv, x);
        }

        using Tensor large = nn.functional.interpolate(x, [height, width], mode: InterpolationMode.Nearest);
        return conv.forward(large);
    }

    /// <summary>Enlarges an image to twice its size, in bands where the flow of execution asks for it (<see cref="ImageBands.Suits"/>).</summary>
    /// <param name="x">[N, C, h, w].</param>
    /// <returns>[N, C, 2 h, 2 w].</returns>
    public Tensor DoubleInBands(Tensor x) => ImageBands.Suits(x) ? new ImageBands(together: 1, halo: 1).Map(x, given => Double(given[0])) : Double(x);

    private Tensor Double(Tensor x) => Forward(x, 2 * x.shape[2], 2 * x.shape[3]);

    // The same for twice the size as one transposed convolution of the small image: a neighbor's copy meets the 3x3 kernel where its original meets the sum of
    // two of its rows and columns. 4 products a pixel instead of 9, and no large copy; on the CPU two to three times faster.
    private static Tensor Doubled(Conv2d conv, Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor weight, Tensor? bias) = conv.MergedWeight(x.dtype);
        Tensor taps = weight.permute(0, 2, 3, 1).flatten(1, 2); // [out, 9, in], as it lies in memory
        Tensor spread = tensor(s_spread, [16, 9], dtype: x.dtype, device: x.device);
        Tensor kernel = Ops.MatMul(spread, taps).unflatten(1, [4, 4]).permute(3, 0, 1, 2); // [in, out, 4, 4]
        Tensor packed = MemoryLayout.ChannelsLast(x);
        Tensor y = Ops.ConvTranspose(packed, kernel, bias, [2, 2], [1, 1]);
        return y.MoveToOuterDisposeScope();
    }
}
