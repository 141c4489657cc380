using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>transformers' CLIPTextTransformer; its names in a file begin with <c>text_model</c>.</summary>
internal sealed class ClipTextTower : nn.Module
{
    [ComponentName(Name = "embeddings")]
    private readonly ClipTextEmbeddings _embeddings;

    [ComponentName(Name = "encoder")]
    private readonly ClipTransformer _encoder;

    [ComponentName(Name = "final_layer_norm")]
    private readonly LayerNorm _finalLayerNorm;

    private readonly long _eosTokenId;

    public ClipTextTower(ClipTextConfig config, Placement placement)
        : base(nameof(ClipTextTower))
    {
        _embeddings = new ClipTextEmbeddings(config, placement);
        _encoder = new ClipTransformer(config.Layer, config.NumHiddenLayers, placement);
        _finalLayerNorm = new LayerNorm(config.HiddenSize, config.LayerNormEps, placement);
        _eosTokenId = config.EosTokenId;
        RegisterComponents();
    }

    /// <summary>Computes final_layer_norm of the output of the layer <paramref name="clipSkip"/> before the last (diffusers' clip_skip).</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <param name="clipSkip">The number of last layers that do not run, 0 to all of them.</param>
    /// <returns>[B, L, D].</returns>
    public Tensor EncodeContext(Tensor ids, Tensor? attentionMask, int clipSkip)
    {
        if (clipSkip < 0 || clipSkip > _encoder.Depth)
        {
            throw new ArgumentOutOfRangeException(
                nameof(clipSkip), clipSkip, $"This text encoder has {_encoder.Depth} layers; clip skip must be 0 to {_encoder.Depth}.");
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor state = _encoder.Run(_embeddings.call(ids), Mask(ids, attentionMask), causal: true, _encoder.Depth - clipSkip);
        return _finalLayerNorm.call(state).MoveToOuterDisposeScope();
    }

    /// <summary>Computes all outputs of the tower. The hidden states are moved to the caller's scope with the others.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <param name="keepHiddenStates">Whether the hidden states are returned; else their list is empty.</param>
    /// <returns>[B, L, D], [B, D], and [B, L, D] each.</returns>
    public (Tensor LastHiddenState, Tensor Pooled, IReadOnlyList<Tensor> HiddenStates) Run(Tensor ids, Tensor? attentionMask, bool keepHiddenStates)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> states = [];
        Tensor embedded = _embeddings.call(ids);
        Tensor raw = _encoder.Run(embedded, Mask(ids, attentionMask), causal: true, _encoder.Depth, keepHiddenStates ? states : null);
        Tensor last = _finalLayerNorm.call(raw);
        Tensor pooled = Pool(last, ids);
        IReadOnlyList<Tensor> kept = keepHiddenStates ? [embedded, .. states, raw] : [];
        foreach (Tensor state in kept)
        {
            state.MoveToOuterDisposeScope();
        }

        return (last.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope(), kept);
    }

    // The row of the first end token, [B, D]. eos_token_id 2 means the highest id of the row (see ClipTextConfig.EosTokenId).
    private Tensor Pool(Tensor last, Tensor ids)
    {
        Tensor position = _eosTokenId == 2 ? ids.argmax(-1) : ids.EqualTo(_eosTokenId).to_type(ScalarType.Int32).argmax(-1);
        return SelectRow(last, position);
    }

    /// <summary>Selects one row of each sequence.</summary>
    /// <param name="states">[B, L, D].</param>
    /// <param name="position">int64 [B], the index of the row in each sequence.</param>
    /// <returns>[B, D].</returns>
    public static Tensor SelectRow(Tensor states, Tensor position) =>
        states.gather(1, position.view(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1);

    // Causal and padding together, [B, 1, L, L]; null where there is no padding to exclude, so that the causal kernel is used.
    private static Tensor? Mask(Tensor ids, Tensor? attentionMask)
    {
        if (attentionMask is null)
        {
            return null;
        }

        Shapes.Require(attentionMask, $"{ids.shape[0]}, {ids.shape[1]}");
        long length = ids.shape[1];
        Tensor causal = ones(length, length, dtype: ScalarType.Bool, device: ids.device).tril();
        return attentionMask.NotEqualTo(0).view(-1, 1, 1, length).logical_and(causal);
    }
}

/// <summary>Computes token_embedding[id] + position_embedding[0 .. L).</summary>
internal sealed class ClipTextEmbeddings : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "token_embedding")]
    private readonly Embedding _token;

    [ComponentName(Name = "position_embedding")]
    private readonly Embedding _position;

    public ClipTextEmbeddings(ClipTextConfig config, Placement placement)
        : base(nameof(ClipTextEmbeddings))
    {
        _token = new Embedding(config.VocabSize, config.HiddenSize, placement);
        _position = new Embedding(config.MaxPositionEmbeddings, config.HiddenSize, placement);
        RegisterComponents();
    }

    /// <summary>Embeds tokens.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <returns>[B, L, D].</returns>
    public override Tensor forward(Tensor ids)
    {
        Shapes.Require(ids, "B, L");
        long most = _position.Weight.shape[0];
        if (ids.shape[1] > most)
        {
            throw new ArgumentException(
                $"ids: {ids.shape[1]} tokens in a row, but this text encoder has {most} positions. Cut the text with its tokenizer.", nameof(ids));
        }

        using DisposeScope scope = NewDisposeScope();
        ScalarType dtype = Placement.ComputeDtype(_position.Weight.dtype);
        Tensor token = _token.call(ids).to_type(dtype);
        return token.Add(_position.Weight.narrow(0, 0, ids.shape[1]).to_type(dtype)).MoveToOuterDisposeScope();
    }
}
