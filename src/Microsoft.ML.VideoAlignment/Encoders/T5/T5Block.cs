using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Computes x += attention(norm(x)); x += feed-forward(norm(x)), without biases. Keys <c>layer.0.*</c> and <c>layer.1.*</c>.</summary>
internal sealed class T5Block : nn.Module
{
    [ComponentName(Name = "layer")]
    private readonly Parts _layer;

    /// <summary>Makes a block.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="ownsTable">Whether it computes a position bias, for itself and the blocks after it that do not: <see cref="T5Config.OwnsTable"/>.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    public T5Block(T5Config config, bool ownsTable, Placement placement)
        : base(nameof(T5Block))
    {
        _layer = new Parts(config, ownsTable, placement);
        RegisterComponents();
    }

    /// <summary>Runs the block.</summary>
    /// <param name="x">[B, L, D].</param>
    /// <param name="bias">Added to the attention logits, [1 or B, heads, L, L]: position bias and padding.</param>
    /// <returns>[B, L, D].</returns>
    public Tensor Forward(Tensor x, Tensor bias)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor attended = x.Add(_layer.Attention.Forward(x, bias));
        return attended.Add(_layer.FeedForward.Forward(attended)).MoveToOuterDisposeScope();
    }

    /// <summary>Computes what this block adds to its attention logits: its own position bias and the padding, or what the block before it added.</summary>
    /// <param name="previous">The bias of the block before; disposed where this block has its own; null: this is the first block.</param>
    /// <param name="buckets">int64 [L, L], of <see cref="T5PositionBias.CreateBuckets"/>.</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <returns>[1 or B, heads, L, L], fresh or <paramref name="previous"/>.</returns>
    /// <exception cref="InvalidOperationException">This block has no table, and there is none before it.</exception>
    public Tensor ComputeBias(Tensor? previous, Tensor buckets, Tensor? attentionMask)
    {
        if (_layer.Attention.Table is not { } table)
        {
            return previous ?? throw new InvalidOperationException("This block has no table of position biases, and there is no block before it.");
        }

        previous?.Dispose();
        using Tensor position = T5PositionBias.Compute(table, buckets);
        return AddPadding(position, attentionMask);
    }

    // Padding gets the most negative number, not infinity, so that a row of nothing but padding stays finite.
    private static Tensor AddPadding(Tensor position, Tensor? attentionMask)
    {
        if (attentionMask is null)
        {
            return position.alias();
        }

        using DisposeScope scope = NewDisposeScope();
        Shapes.Require(attentionMask, $"B, {position.shape[3]}");
        Tensor padding = attentionMask.EqualTo(0).to_type(position.dtype).Mul(finfo(position.dtype).min);
        return position.Add(padding.view(-1, 1, 1, position.shape[3])).MoveToOuterDisposeScope();
    }

    // Carries the names.
    private sealed class Parts : nn.Module
    {
        [ComponentName(Name = "0")]
        public readonly T5AttentionLayer Attention;

        [ComponentName(Name = "1")]
        public readonly T5FeedForwardLayer FeedForward;

        public Parts(T5Config config, bool ownsTable, Placement placement)
            : base(nameof(Parts))
        {
            Attention = new T5AttentionLayer(config, ownsTable, placement);
            FeedForward = new T5FeedForwardLayer(config, placement);
            RegisterComponents();
        }
    }
}

/// <summary>Norm, then self-attention whose logits are not scaled. Keys <c>layer_norm</c> and <c>SelfAttention.{q, k, v, o}</c>.</summary>
internal sealed class T5AttentionLayer : nn.Module
{
    [ComponentName(Name = "layer_norm")]
    private readonly RmsNorm _norm;

    [ComponentName(Name = "SelfAttention")]
    private readonly Projections _projections;

    private readonly long _headSize;

    public T5AttentionLayer(T5Config config, bool ownsTable, Placement placement)
        : base(nameof(T5AttentionLayer))
    {
        _norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, placement);
        _projections = new Projections(config, ownsTable, placement);
        _headSize = config.DKv;
        RegisterComponents();
    }

    public Embedding? Table => _projections.Table;

    public Tensor Forward(Tensor x, Tensor bias)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor normal = _norm.call(x);

        // The fused kernel divides by the root of the head size, and has no switch for it.
        Tensor query = Heads(_projections.Query.ForwardScaled(normal, Math.Sqrt(_headSize)));
        Tensor y = Ops.Attention(query, Heads(_projections.Key.call(normal)), Heads(_projections.Value.call(normal)), bias);
        return _projections.Output.call(y.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope(); // [B, heads, L, d] -> [B, L, heads*d]
    }

    private Tensor Heads(Tensor x) => x.unflatten(2, [-1, _headSize]).transpose(1, 2); // [B, L, heads*d] -> [B, heads, L, d]

    private sealed class Projections : nn.Module
    {
        [ComponentName(Name = "q")]
        public readonly Linear Query;

        [ComponentName(Name = "k")]
        public readonly Linear Key;

        [ComponentName(Name = "v")]
        public readonly Linear Value;

        [ComponentName(Name = "o")]
        public readonly Linear Output;

        [ComponentName(Name = "relative_attention_bias")]
        public readonly Embedding? Table;

        public Projections(T5Config config, bool ownsTable, Placement placement)
            : base(nameof(Projections))
        {
            long inner = config.NumHeads * config.DKv;
            Query = new Linear(config.DModel, inner, placement, bias: false);
            Key = new Linear(config.DModel, inner, placement, bias: false);
            Value = new Linear(config.DModel, inner, placement, bias: false);
            Output = new Linear(inner, config.DModel, placement, bias: false);
            Table = ownsTable ? new Embedding(config.RelativeAttentionNumBuckets, config.NumHeads, placement) : null;
            RegisterComponents();
        }
    }
}

/// <summary>
/// Norm, then wo(act(wi x)), or gated wo(act(wi_0 x) * wi_1 x). Keys <c>layer_norm</c> and <c>DenseReluDense.*</c>, which is also the name of the gated form.
/// </summary>
internal sealed class T5FeedForwardLayer : nn.Module
{
    [ComponentName(Name = "layer_norm")]
    private readonly RmsNorm _norm;

    [ComponentName(Name = "DenseReluDense")]
    private readonly Dense _dense;

    private readonly Activation _activation;

    public T5FeedForwardLayer(T5Config config, Placement placement)
        : base(nameof(T5FeedForwardLayer))
    {
        _norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, placement);
        _dense = new Dense(config, placement);
        _activation = config.Activation;
        RegisterComponents();
    }

    public Tensor Forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor normal = _norm.call(x);
        Tensor inner = _dense.Gated is null
            ? _activation.Apply(_dense.Plain!.call(normal))
            : _activation.Apply(_dense.Gate!.call(normal)) * _dense.Gated.call(normal);
        return _dense.Output.call(inner).MoveToOuterDisposeScope();
    }

    private sealed class Dense : nn.Module
    {
        [ComponentName(Name = "wi")]
        public readonly Linear? Plain;

        [ComponentName(Name = "wi_0")]
        public readonly Linear? Gate;

        [ComponentName(Name = "wi_1")]
        public readonly Linear? Gated;

        [ComponentName(Name = "wo")]
        public readonly Linear Output;

        public Dense(T5Config config, Placement placement)
            : base(nameof(Dense))
        {
            Linear Widening() => new(config.DModel, config.DFf, placement, bias: false);
            Plain = config.IsGated ? null : Widening();
            Gate = config.IsGated ? Widening() : null;
            Gated = config.IsGated ? Widening() : null;
            Output = new Linear(config.DFf, config.DModel, placement, bias: false);
            RegisterComponents();
        }
    }
}
