using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>open_clip's text tower, whose names have no prefix in a file. It is causal, and padding (id 0) is a token like any other.</summary>
/// <remarks>Its blocks are <c>encoder.layers</c> here (<see cref="OpenClipModel.CreateKeyMap"/>).</remarks>
internal sealed class OpenClipTextTower : nn.Module
{
    [ComponentName(Name = "token_embedding")]
    private readonly Embedding _token;

    [ComponentName(Name = "positional_embedding")]
    private readonly Parameter _position;

    [ComponentName(Name = "encoder")]
    private readonly ClipTransformer _encoder;

    [ComponentName(Name = "ln_final")]
    private readonly LayerNorm _normAfter;

    // [D, E], multiplied from the right, as the file has it.
    [ComponentName(Name = "text_projection")]
    private readonly Parameter _projection;

    public OpenClipTextTower(OpenClipTextConfig config, long embedDim, Placement placement)
        : base(nameof(OpenClipTextTower))
    {
        Config = config;
        long width = config.Layer.Width;
        _token = new Embedding(config.VocabSize, width, placement);
        _position = placement.Parameter(config.ContextLength, width);
        _encoder = new ClipTransformer(config.Layer, config.Layers, placement);
        _normAfter = new LayerNorm(width, OpenClipLayer.NormEps, placement);
        _projection = placement.Parameter(width, embedDim);
        RegisterComponents();
    }

    public OpenClipTextConfig Config { get; }

    /// <summary>Computes text features: the row of the highest id, which is the end token.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <returns>[B, E], not l2-normalized.</returns>
    public Tensor GetFeatures(Tensor ids)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pooled = ClipTextTower.SelectRow(EncodeContext(ids, clipSkip: 0), ids.argmax(-1));
        return Ops.MatMul(pooled, _projection.to_type(pooled.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>Computes ln_final of the output of the layer <paramref name="clipSkip"/> before the last.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="clipSkip">The number of last layers that do not run; 1: lvdm's FrozenOpenCLIPEmbedder with layer "penultimate".</param>
    /// <returns>[B, L, D].</returns>
    public Tensor EncodeContext(Tensor ids, int clipSkip)
    {
        Shapes.Require(ids, "B, L");
        if (ids.shape[1] > Config.ContextLength)
        {
            throw new ArgumentException(
                $"ids: {ids.shape[1]} tokens in a row, but this text encoder has {Config.ContextLength} positions. Cut the text with its tokenizer.",
                nameof(ids));
        }

        using DisposeScope scope = NewDisposeScope();
        ScalarType dtype = Placement.ComputeDtype(_position.dtype);
        Tensor embedded = _token.call(ids).to_type(dtype).Add(_position.narrow(0, 0, ids.shape[1]).to_type(dtype));
        Tensor state = _encoder.Run(embedded, mask: null, causal: true, _encoder.Depth - clipSkip);
        return _normAfter.call(state).MoveToOuterDisposeScope();
    }
}
