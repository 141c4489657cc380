using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Half the height and width by a stride-2 3x3 convolution, key <c>conv</c>. Reference: diffusers, <c>Downsample2D</c>.</summary>
internal sealed class Downsample2D : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "conv")]
    private readonly Conv2d _conv;

    private readonly bool _padEnd;

    /// <summary>padding: Zeros around the picture; 0: one column on the right and one row below instead, as the reference does.</summary>
    public Downsample2D(long channels, long padding, Placement placement)
        : base(nameof(Downsample2D))
    {
        _conv = new Conv2d(channels, channels, 3, placement, stride: 2, padding: padding);
        _padEnd = padding == 0;
        RegisterComponents();
    }

    /// <summary>x: [N, C, H, W] -> [N, C, H', W'].</summary>
    public override Tensor forward(Tensor x)
    {
        if (!_padEnd)
        {
            return _conv.forward(x);
        }

        using Tensor padded = nn.functional.pad(x, [0, 1, 0, 1]);
        return _conv.forward(padded);
    }
}

/// <summary>A larger picture by nearest neighbours and a 3x3 convolution, key <c>conv</c>. Reference: diffusers, <c>Upsample2D</c>.</summary>
internal sealed class Upsample2D : nn.Module
{
    [ComponentName(Name = "conv")]
    private readonly Conv2d _conv;

    public Upsample2D(long channels, Placement placement)
        : base(nameof(Upsample2D))
    {
        _conv = new Conv2d(channels, channels, 3, placement, padding: 1);
        RegisterComponents();
    }

    /// <summary>x: [N, C, h, w] -> [N, C, height, width]. Source pixel = floor(i * h / height).</summary>
    public Tensor Forward(Tensor x, long height, long width)
    {
        using Tensor large = nn.functional.interpolate(x, [height, width], mode: InterpolationMode.Nearest);
        return _conv.forward(large);
    }
}
