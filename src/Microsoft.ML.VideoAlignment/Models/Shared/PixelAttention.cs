using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>
/// x + attention between the pixels of an image: one head over all channels, a GroupNorm before, biases everywhere. Keys <c>group_norm</c>, <c>to_q</c>,
/// <c>to_k</c>, <c>to_v</c>, <c>to_out.0</c>; reference: diffusers, <c>Attention</c> as the VAE builds it.
/// </summary>
internal sealed class PixelAttention : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "group_norm")]
    private readonly GroupNorm _groupNorm;

    [ComponentName(Name = "to_q")]
    private readonly Linear _toQ;

    [ComponentName(Name = "to_k")]
    private readonly Linear _toK;

    [ComponentName(Name = "to_v")]
    private readonly Linear _toV;

    [ComponentName(Name = "to_out")]
    private readonly TorchSharp.Modules.ModuleList<Linear> _toOut;

    public PixelAttention(long channels, long groups, double eps, Placement placement)
        : base(nameof(PixelAttention))
    {
        _groupNorm = new GroupNorm(groups, channels, eps, placement);
        _toQ = new Linear(channels, channels, placement);
        _toK = new Linear(channels, channels, placement);
        _toV = new Linear(channels, channels, placement);
        _toOut = nn.ModuleList(new Linear(channels, channels, placement));
        RegisterComponents();
    }

    /// <summary>Attends between pixels.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <returns>[N, C, H, W].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = TokenLayout.ToTokens(_groupNorm.forward(x)); // [N, H*W, C]
        Tensor Head(Linear layer) => layer.forward(tokens).unsqueeze(1); // [N, 1, H*W, C]
        Tensor y = Attention.Attend(Head(_toQ), Head(_toK), Head(_toV));
        y = _toOut[0].ForwardAdded(y, TokenLayout.ToTokens(x));
        return TokenLayout.ToImages(y, x.shape[2], x.shape[3]).MoveToOuterDisposeScope();
    }
}
