using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>
/// Predicts the features of hidden tokens from those of the others (facebookresearch/jepa, src/models/predictor.py). Keys <c>predictor_embed</c>,
/// <c>mask_tokens.N</c> [1, 1, P], <c>predictor_pos_embed</c> [1, N, P], <c>predictor_blocks.N</c>, <c>predictor_norm</c>, <c>predictor_proj</c>.
/// </summary>
internal sealed class VJepaPredictor : nn.Module
{
    [ComponentName(Name = "predictor_embed")]
    private readonly Linear _embed;

    [ComponentName(Name = "mask_tokens")]
    private readonly MaskTokens _maskTokens;

    [ComponentName(Name = "predictor_pos_embed")]
    private readonly Parameter _positions;

    [ComponentName(Name = "predictor_blocks")]
    private readonly ModuleList<EncoderLayer> _blocks;

    [ComponentName(Name = "predictor_norm")]
    private readonly LayerNorm _norm;

    [ComponentName(Name = "predictor_proj")]
    private readonly Linear _projection;

    public VJepaPredictor(VJepaConfig config, Placement placement)
        : base(nameof(VJepaPredictor))
    {
        _embed = new Linear(config.Width, config.PredictorWidth, placement);
        _maskTokens = new MaskTokens(config.MaskTokens, config.PredictorWidth, placement);
        _positions = placement.Parameter(1, config.Tokens, config.PredictorWidth);
        _blocks = nn.ModuleList([.. Enumerable.Range(0, checked((int)config.PredictorDepth)).Select(_ => new EncoderLayer(config.PredictorLayer, placement))]);
        _norm = new LayerNorm(config.PredictorWidth, VJepaConfig.Eps, placement);
        _projection = new Linear(config.PredictorWidth, config.Width, placement);
        RegisterComponents();
    }

    /// <summary>Predicts the features of hidden tokens.</summary>
    /// <param name="context">[B, K, D], the encoder's tokens.</param>
    /// <param name="known">int64 [B, K], where they are.</param>
    /// <param name="wanted">int64 [B, M], where the hidden ones are.</param>
    /// <param name="kind">The number of the mask, which chooses the token that stands for what is hidden.</param>
    /// <param name="memory">What the layers keep for the backward pass.</param>
    /// <returns>[B, M, D].</returns>
    public Tensor Forward(Tensor context, Tensor known, Tensor wanted, int kind, ActivationMemory memory = ActivationMemory.Keep)
    {
        using DisposeScope scope = NewDisposeScope();
        ScalarType dtype = context.dtype;
        Tensor given = _embed.call(context).Add(Tokens.Rows(_positions, known, dtype));
        Tensor asked = _maskTokens[kind].to_type(dtype).Add(Tokens.Rows(_positions, wanted, dtype));
        Tensor state = Tokens.Run(_blocks, cat([given, asked], 1), memory);
        return _projection.call(_norm.call(state).narrow(1, known.shape[1], wanted.shape[1])).MoveToOuterDisposeScope();
    }

    /// <summary>Keys <c>0</c>, <c>1</c>, ...: a torch.nn.ParameterList.</summary>
    private sealed class MaskTokens : nn.Module
    {
        private readonly int _count;

        public MaskTokens(long count, long width, Placement placement)
            : base(nameof(MaskTokens))
        {
            _count = checked((int)count);
            for (int i = 0; i < _count; i++)
            {
                register_parameter($"{i}", placement.Parameter(1, 1, width));
            }
        }

        // By name: moving a module to a device makes new parameters.
        public Parameter this[int kind] => get_parameter($"{kind % _count}")!;
    }
}
