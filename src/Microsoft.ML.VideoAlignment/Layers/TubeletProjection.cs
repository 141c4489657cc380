using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// One token for each t x p x q pixels: torch.nn.Conv3d whose stride is its kernel, as one matrix product over blocks of pixels. With an adapter slot.
/// </summary>
/// <remarks>Keys <c>weight</c> [D, C, t, p, q], <c>bias</c> [D].</remarks>
internal sealed class TubeletProjection : nn.Module<Tensor, Tensor>, IAdaptable
{
    private static readonly AdaptedProduct s_product = new(
        Multiply, Multiply, static (gradient, weight, _) => Ops.MatMul(gradient, weight.flatten(1)), outputs: -1);

    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "weight_scale")]
    private readonly Parameter? _scale;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly long _frames;
    private readonly long _height;
    private readonly long _width;

    public TubeletProjection(long channels, long width, long frames, long side, Placement placement)
        : this(channels, width, frames, side, side, placement)
    {
    }

    /// <summary>Makes the layer.</summary>
    /// <param name="channels">C.</param>
    /// <param name="width">D.</param>
    /// <param name="frames">t.</param>
    /// <param name="rows">p.</param>
    /// <param name="columns">q.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public TubeletProjection(long channels, long width, long frames, long rows, long columns, Placement placement)
        : base(nameof(TubeletProjection))
    {
        _weight = placement.Matrix(width, channels, frames, rows, columns);
        _scale = placement.Scale(_weight);
        _bias = placement.Parameter(width);
        (_frames, _height, _width) = (frames, rows, columns);
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public Parameter? Bias => _bias;

    public FrozenWeight Frozen => new(_weight, _scale, Slot.Streamed);

    public AdapterSlot Slot { get; } = new();

    /// <summary>Tokens over time, rows and columns; pixels that do not fill a token are left out, as a convolution does.</summary>
    /// <param name="pixels">[B, C, T, H, W].</param>
    public (long Frames, long Rows, long Columns) Grid(Tensor pixels) => (pixels.shape[2] / _frames, pixels.shape[3] / _height, pixels.shape[4] / _width);

    /// <summary>Projects.</summary>
    /// <param name="pixels">[B, C, T, H, W].</param>
    /// <returns>[B, N, D], time before rows before columns.</returns>
    public override Tensor forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        (long frames, long rows, long columns) = Grid(pixels);
        Tensor whole = pixels.narrow(2, 0, frames * _frames).narrow(3, 0, rows * _height).narrow(4, 0, columns * _width);
        Tensor cut = whole.reshape([pixels.shape[0], pixels.shape[1], frames, _frames, rows, _height, columns, _width]).permute(0, 2, 4, 6, 1, 3, 5, 7);
        Tensor blocks = cut.reshape(pixels.shape[0], frames * rows * columns, -1); // [B, N, C*t*p*q]
        return s_product.Run(this, blocks).MoveToOuterDisposeScope();
    }

    private static Tensor Multiply(Tensor blocks, Tensor weight, Tensor? bias) => Ops.Linear(blocks, weight.flatten(1), bias);
}
