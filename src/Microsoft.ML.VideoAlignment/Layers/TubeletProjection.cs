using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// One token for each t x p x p pixels: torch.nn.Conv3d whose stride is its kernel, as one matrix product over blocks of pixels. Keys <c>weight</c>
/// [D, C, t, p, p], <c>bias</c> [D].
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

    /// <summary>Tokens over time, rows and columns that pixels [B, C, T, H, W] have; what does not fill a token is left out, as a convolution does.</summary>
    public (long Frames, long Rows, long Columns) Grid(Tensor pixels) => (pixels.shape[2] / _frames, pixels.shape[3] / _side, pixels.shape[4] / _side);

    /// <summary>pixels: [B, C, T, H, W] -> [B, N, D], time before rows before columns.</summary>
    public override Tensor forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        (long frames, long rows, long columns) = Grid(pixels);
        Tensor whole = pixels.narrow(2, 0, frames * _frames).narrow(3, 0, rows * _side).narrow(4, 0, columns * _side);
        Tensor cut = whole.reshape([pixels.shape[0], pixels.shape[1], frames, _frames, rows, _side, columns, _side]).permute(0, 2, 4, 6, 1, 3, 5, 7);
        Tensor blocks = cut.reshape(pixels.shape[0], frames * rows * columns, -1); // [B, N, C*t*p*p]
        return nn.functional.linear(blocks, _weight.flatten(1).to_type(pixels.dtype), _bias.to_type(pixels.dtype)).MoveToOuterDisposeScope();
    }
}
