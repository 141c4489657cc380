using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>
/// norm1, activation, conv1, + time_emb_proj(activation(temb)), norm2, activation, conv2; (input + hidden) / output scale. Reference: diffusers,
/// <c>ResnetBlock2D</c>.
/// </summary>
/// <remarks>A 1x1 <c>conv_shortcut</c> on the input where the widths differ.</remarks>
internal sealed class ResnetBlock2D : nn.Module, ITimeDependent
{
    [ComponentName(Name = "norm1")]
    private readonly GroupNorm _norm1;

    [ComponentName(Name = "conv1")]
    private readonly Conv2d _conv1;

    [ComponentName(Name = "time_emb_proj")]
    private readonly Linear? _timeEmbProj;

    [ComponentName(Name = "norm2")]
    private readonly GroupNorm _norm2;

    [ComponentName(Name = "conv2")]
    private readonly Conv2d _conv2;

    [ComponentName(Name = "conv_shortcut")]
    private readonly Conv2d? _convShortcut;

    private readonly Activation _activation;
    private readonly double _outputScale;

    /// <summary>Makes the block.</summary>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="embeddingWidth">Width of the time embedding; null: the block has none.</param>
    /// <param name="groups">Groups of both norms.</param>
    /// <param name="eps">Epsilon of both norms.</param>
    /// <param name="activation">Its name, see <see cref="Activation.ByName"/>.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <param name="outputScale">Divisor of the sum.</param>
    public ResnetBlock2D(
        long inChannels, long outChannels, long? embeddingWidth, long groups, double eps, string activation, Placement placement, double outputScale = 1)
        : base(nameof(ResnetBlock2D))
    {
        _norm1 = new GroupNorm(groups, inChannels, eps, placement);
        _conv1 = new Conv2d(inChannels, outChannels, 3, placement, padding: 1);
        _timeEmbProj = embeddingWidth is { } width ? new Linear(width, outChannels, placement) : null;
        _norm2 = new GroupNorm(groups, outChannels, eps, placement);
        _conv2 = new Conv2d(outChannels, outChannels, 3, placement, padding: 1);
        _convShortcut = inChannels == outChannels ? null : new Conv2d(inChannels, outChannels, 1, placement);
        _activation = Activation.ByName(activation);
        _outputScale = outputScale;
        RegisterComponents();
    }

    public bool DependsOnTime => _timeEmbProj is not null && !_norm2.RemovesShifts;

    /// <summary>Runs the block.</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <param name="temb">[R, E], R divides N: row n takes embedding n / (N / R); null where the block has none.</param>
    /// <returns>[N, out, H, W].</returns>
    public Tensor Forward(Tensor x, Tensor? temb)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _norm1.ForwardActivated(x, _activation);
        Tensor? shift = temb is null || _timeEmbProj is null ? null : _norm2.ComputeShift(_timeEmbProj, _activation.Apply(temb)); // [R, out]
        if (shift is not null && shift.shape[0] == 1)
        {
            // One time for all rows is a bias of the convolution, which costs nothing; adding it afterwards is a pass over the whole tensor.
            hidden = _conv1.Forward(hidden, shift.squeeze(0));
        }
        else
        {
            hidden = _conv1.forward(hidden);
            if (shift is not null)
            {
                hidden = hidden.Add(shift.repeat_interleave(x.shape[0] / shift.shape[0], dim: 0).unsqueeze(-1).unsqueeze(-1));
            }
        }

        return SecondHalf(x, hidden).MoveToOuterDisposeScope();
    }

    /// <summary>Runs a block without time embedding, in bands where the flow of execution asks for it (<see cref="ImageBands.Suits"/>).</summary>
    /// <param name="x">[N, in, H, W].</param>
    /// <returns>[N, out, H, W].</returns>
    public Tensor ForwardInBands(Tensor x) => ImageBands.Suits(x)
        ? BandedBlocks.Residual(new ImageBands(together: 1, halo: 2), x, _norm1.Groups, images => images, FirstHalf, SecondHalf)
        : Forward(x, temb: null);

    private Tensor FirstHalf(Tensor x, Tensor moments)
    {
        using Tensor active = _norm1.ForwardActivated(x, _activation, moments);
        return _conv1.forward(active);
    }

    private Tensor SecondHalf(Tensor x, Tensor hidden, Tensor? moments = null)
    {
        using DisposeScope scope = NewDisposeScope();
        _conv1.Slot.RecordUse(matters: !_norm2.RemovesAll(hidden));
        Tensor moved = _conv2.forward(_norm2.ForwardActivated(hidden, _activation, moments));
        Tensor sum = Ops.Add(_convShortcut?.forward(x) ?? x, moved);
        sum = _outputScale == 1 ? sum : Ops.Divide(sum, _outputScale);
        return sum.MoveToOuterDisposeScope();
    }
}
