using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>
/// A level of the decoder: residual blocks, then twice the size; where the autoencoder is residual, + its input repeated. Reference: diffusers,
/// <c>WanUpBlock</c>, <c>WanResidualUpBlock</c>.
/// </summary>
internal sealed class WanVaeUpLevel : nn.Module
{
    [ComponentName(Name = "resnets")]
    private readonly TorchSharp.Modules.ModuleList<WanVaeResBlock> _resnets;

    [ComponentName(Name = "upsamplers")]
    private readonly TorchSharp.Modules.ModuleList<WanVaeResample>? _upsamplers;

    [ComponentName(Name = "upsampler")]
    private readonly WanVaeResample? _upsampler;

    private readonly WanVaeLevelShape _shape;

    /// <summary>Makes the level.</summary>
    /// <param name="config">The autoencoder.</param>
    /// <param name="shape">The level's sizes.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    public WanVaeUpLevel(WanVaeConfig config, WanVaeLevelShape shape, Placement placement)
        : base(nameof(WanVaeUpLevel))
    {
        _shape = shape;
        _resnets = nn.ModuleList([.. WanVaeResBlock.CreateLevel(config.ResBlocks + 1, shape, placement)]);
        _upsampler = shape.Resamples && config.IsResidual ? WanVaeResample.Up(shape, shape.OutChannels, placement) : null;
        _upsamplers = shape.Resamples && !config.IsResidual ? nn.ModuleList(WanVaeResample.Up(shape, shape.OutChannels / 2, placement)) : null;
        Block = new CausalBlock(_resnets.Sum(resnet => resnet.Block.States) + (Upsampler?.Block.States ?? 0), Forward);
        RegisterComponents();
    }

    /// <summary>The level as a part of a causal network.</summary>
    public CausalBlock Block { get; }

    /// <summary>Whether the frames after the video's first are doubled.</summary>
    public bool DoublesFrames => _shape.ResamplesTime;

    private WanVaeResample? Upsampler => _upsampler ?? _upsamplers?[0];

    // x: [B*T, in, H, W] -> [B*T', out, H', W'].
    private Tensor Forward(Tensor x, CausalPass pass)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = _resnets.Aggregate(x, (frames, resnet) => pass.Run(resnet.Block, frames));
        hidden = Upsampler is { } upsampler ? pass.Run(upsampler.Block, hidden) : hidden;
        hidden = _upsampler is null ? hidden : Ops.Add(hidden, WanVaeShortcuts.Repeat(x, _shape.OutChannels, _shape.TimeFactor, pass));
        return hidden.MoveToOuterDisposeScope();
    }
}
