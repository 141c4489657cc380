using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>A level of the residual encoder: residual blocks and the change of size, + averages of its input. Reference: diffusers,
/// <c>WanResidualDownBlock</c>.</summary>
internal sealed class WanVaeDownLevel : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<WanVaeResBlock> _resnets;

    [ComponentName(Name = "downsampler")]
    private readonly WanVaeResample? _downsampler;

    private readonly WanVaeLevelShape _shape;

    /// <summary>Makes the level.</summary>
    /// <param name="resBlocks">Number of residual blocks.</param>
    /// <param name="shape">The level's sizes.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeDownLevel(long resBlocks, WanVaeLevelShape shape, Placement placement)
        : base(nameof(WanVaeDownLevel))
    {
        _shape = shape;
        _resnets = nn.ModuleList([.. WanVaeResBlock.CreateLevel(resBlocks, shape, placement)]);
        _downsampler = shape.Resamples ? WanVaeResample.Down(shape, placement) : null;
        Block = new CausalBlock(_resnets.Sum(resnet => resnet.Block.States) + (_downsampler?.Block.States ?? 0), Forward);
        RegisterComponents();
    }

    /// <summary>The level as a part of a causal network.</summary>
    public CausalBlock Block { get; }

    // x: [B*T, in, H, W] -> [B*T', out, H', W'].
    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _resnets.Aggregate(x, (frames, resnet) => pass.Run(resnet.Block, frames));
        hidden = _downsampler is null ? hidden : pass.Run(_downsampler.Block, hidden);
        return Ops.Add(hidden, WanVaeShortcuts.Average(x, _shape.OutChannels, _shape.TimeFactor, _shape.SpaceFactor, pass)).MoveToOuterDisposeScope();
    }
}
