using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>
/// torch.nn.Conv3d whose stride is its kernel, as one matrix product over blocks of pixels: the same sums. Keys <c>weight</c> [D, C, t, p, p],
/// <c>bias</c> [D].
/// </summary>
internal sealed class TubeletProjection : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly long _frames;
    private readonly long _side;

    public TubeletProjection(long channels, long width, long frames, long side, Placement placement)
        : base(nameof(TubeletProjection))
    {
        _weight = placement.Parameter(width, channels, frames, side, side);
        _bias = placement.Parameter(width);
        (_frames, _side) = (frames, side);
        RegisterComponents();
    }

    /// <summary>pixels: [B, T, C, H, W] -> [B, T/t * H/p * W/p, D], time before rows before columns. Remainders are not seen.</summary>
    public override Tensor forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        (long steps, long rows, long columns) = (pixels.shape[1] / _frames, pixels.shape[3] / _side, pixels.shape[4] / _side);
        Tensor whole = pixels.narrow(1, 0, steps * _frames).narrow(3, 0, rows * _side).narrow(4, 0, columns * _side);
        Tensor blocks = whole.reshape(pixels.shape[0], steps, _frames, pixels.shape[2], rows, _side, columns, _side)
            .permute(0, 1, 4, 6, 3, 2, 5, 7).flatten(4).flatten(1, 3); // [B, N, C*t*p*p]
        return nn.functional.linear(blocks, _weight.to_type(pixels.dtype).flatten(1), _bias.to_type(pixels.dtype)).MoveToOuterDisposeScope();
    }
}
