using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>A residual block, attention between the pixels of each frame, a residual block. Reference: diffusers, <c>WanMidBlock</c>.</summary>
internal sealed class WanVaeMiddle : nn.Module
{
    [ComponentName(Name = "attentions")]
    private readonly TorchSharp.Modules.ModuleList<PixelSelfAttention> _attentions;

    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<WanVaeResBlock> _resnets;

    /// <summary>Makes the three parts.</summary>
    /// <param name="channels">C.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeMiddle(long channels, Placement placement)
        : base(nameof(WanVaeMiddle))
    {
        _attentions = nn.ModuleList(new PixelSelfAttention(channels, placement));
        _resnets = nn.ModuleList(new WanVaeResBlock(channels, channels, placement), new WanVaeResBlock(channels, channels, placement));
        Block = new CausalBlock(_resnets.Sum(resnet => resnet.Block.States), Forward);
        RegisterComponents();
    }

    /// <summary>The three parts as one of a causal network.</summary>
    public CausalBlock Block { get; }

    // x: [B*T, C, H, W] -> the same shape.
    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _resnets[0].Block.Forward(x, pass);
        return _resnets[1].Block.Forward(_attentions[0].Forward(hidden), pass).MoveToOuterDisposeScope();
    }

    // x + attention with one head over all channels. Reference: diffusers, WanAttentionBlock.
    private sealed class PixelSelfAttention : nn.Module
    {
        [ComponentName(Name = "norm")]
        private readonly ChannelRmsNorm _norm;

        [ComponentName(Name = "to_qkv")]
        private readonly Conv2d _toQkv;

        [ComponentName(Name = "proj")]
        private readonly Conv2d _proj;

        public PixelSelfAttention(long channels, Placement placement)
            : base(nameof(PixelSelfAttention))
        {
            _norm = new ChannelRmsNorm(channels, axes: 2, placement);
            _toQkv = new Conv2d(channels, 3 * channels, 1, placement);
            _proj = new Conv2d(channels, channels, 1, placement);
            RegisterComponents();
        }

        // x: [N, C, H, W] -> the same shape.
        public Tensor Forward(Tensor x)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor[] qkv = TokenLayout.ToTokens(_toQkv.forward(_norm.Forward(x))).unsqueeze(1).chunk(3, dim: -1); // [N, 1, H*W, C] each
            Tensor y = Attention.Attend(qkv[0], qkv[1], qkv[2]);
            return Ops.Add(x, _proj.forward(TokenLayout.ToImages(y, x.shape[2], x.shape[3]))).MoveToOuterDisposeScope();
        }
    }
}
