using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Utils;

namespace Microsoft.ML.VideoAlignment.Layers;

/// <summary>Width and rules of a pre-norm transformer encoder's layers.</summary>
/// <param name="Width">D.</param>
/// <param name="MlpWidth">Width between the two linear layers.</param>
/// <param name="Heads">Divides the width.</param>
/// <param name="Activation">Between the two linear layers.</param>
/// <param name="NormEps">Epsilon of both norms.</param>
/// <exception cref="InvalidDataException">The heads do not divide the width.</exception>
internal sealed record EncoderShape(long Width, long MlpWidth, long Heads, Activation Activation, double NormEps)
{
    /// <summary>Number of heads, a divisor of the width.</summary>
    public long Heads { get; init; } =
        Heads > 0 && Width % Heads == 0 ? Heads : throw new InvalidDataException($"config: {Heads} heads do not divide the width {Width}.");

    /// <summary>Whether the file has queries, keys and values as one product <c>qkv_proj</c> [3D, D], thirds in this order, each head-major.</summary>
    public bool FusedQkv { get; init; }

    /// <summary>Whether queries and values (with <see cref="FusedQkv"/>: all three) have a bias.</summary>
    public bool QkvBias { get; init; } = true;

    /// <summary>Whether keys have one too; softmax does not see it, so some networks leave it out.</summary>
    public bool KeyBias { get; init; } = true;
}

/// <summary>x += attention(LN1(x)); x += MLP(LN2(x)): the layer of CLIP's, DETR's and ViT's encoders.</summary>
/// <remarks>Keys as CLIP has them: <c>layer_norm1</c>, <c>self_attn</c>, <c>layer_norm2</c>, <c>mlp</c>; other families map theirs to these.</remarks>
internal sealed class EncoderLayer : nn.Module
{
    [ComponentName(Name = "layer_norm1")]
    private readonly LayerNorm _layerNorm1;

    [ComponentName(Name = "self_attn")]
    private readonly EncoderAttention _attention;

    [ComponentName(Name = "layer_norm2")]
    private readonly LayerNorm _layerNorm2;

    [ComponentName(Name = "mlp")]
    private readonly EncoderMlp _mlp;

    public EncoderLayer(EncoderShape shape, Placement placement)
        : base(nameof(EncoderLayer))
    {
        _layerNorm1 = new LayerNorm(shape.Width, shape.NormEps, placement);
        _attention = new EncoderAttention(shape, placement);
        _layerNorm2 = new LayerNorm(shape.Width, shape.NormEps, placement);
        _mlp = new EncoderMlp(shape, placement);
        RegisterComponents();
    }

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[B, L, D].</param>
    /// <param name="mask">Boolean [B, 1, L, L], true where a query may look; null: everywhere, or to the left if causal.</param>
    /// <param name="causal">Whether tokens look to the left alone.</param>
    /// <returns>[B, L, D].</returns>
    public Tensor Forward(Tensor x, Tensor? mask = null, bool causal = false)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor attended = x.Add(_attention.Forward(_layerNorm1.call(x), mask, causal));
        return attended.Add(_mlp.call(_layerNorm2.call(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Multi-head self-attention, scale head_dim^-0.5. Keys q_proj, k_proj, v_proj (or qkv_proj) and out_proj.</summary>
internal sealed class EncoderAttention : nn.Module
{
    [ComponentName(Name = "q_proj")]
    private readonly Linear? _query;

    [ComponentName(Name = "k_proj")]
    private readonly Linear? _key;

    [ComponentName(Name = "v_proj")]
    private readonly Linear? _value;

    [ComponentName(Name = "qkv_proj")]
    private readonly Linear? _fused;

    [ComponentName(Name = "out_proj")]
    private readonly Linear _out;

    private readonly long _heads;

    /// <summary>Makes the layer.</summary>
    /// <param name="shape">Width and rules.</param>
    /// <param name="placement">Where and how weights are stored.</param>
    /// <exception cref="InvalidDataException">The heads do not divide the width.</exception>
    public EncoderAttention(EncoderShape shape, Placement placement)
        : base(nameof(EncoderAttention))
    {
        long width = shape.Width;
        if (width % shape.Heads != 0)
        {
            throw new InvalidDataException(
                $"The width {width} of this transformer is not a multiple of its {shape.Heads} attention heads. Is the configuration this file's?");
        }

        if (shape.FusedQkv)
        {
            _fused = new Linear(width, 3 * width, placement, shape.QkvBias);
        }
        else
        {
            _query = new Linear(width, width, placement, shape.QkvBias);
            _key = new Linear(width, width, placement, shape.QkvBias && shape.KeyBias);
            _value = new Linear(width, width, placement, shape.QkvBias);
        }

        _out = new Linear(width, width, placement);
        _heads = shape.Heads;
        RegisterComponents();
    }

    /// <inheritdoc cref="EncoderLayer.Forward"/>
    public Tensor Forward(Tensor x, Tensor? mask, bool causal)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] qkv = _fused is null ? [_query!.call(x), _key!.call(x), _value!.call(x)] : _fused.call(x).chunk(3, dim: -1);
        Tensor y = Ops.Attention(Heads(qkv[0]), Heads(qkv[1]), Heads(qkv[2]), mask, causal && mask is null);
        return _out.call(y.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope(); // [B, heads, L, d] -> [B, L, D]
    }

    private Tensor Heads(Tensor x) => x.unflatten(2, [_heads, -1]).transpose(1, 2); // [B, L, D] -> [B, heads, L, d]
}

/// <summary>fc2(act(fc1(x))). Keys fc1, fc2.</summary>
internal sealed class EncoderMlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "fc1")]
    private readonly Linear _fc1;

    [ComponentName(Name = "fc2")]
    private readonly Linear _fc2;

    private readonly Activation _activation;

    public EncoderMlp(EncoderShape shape, Placement placement)
        : base(nameof(EncoderMlp))
    {
        _fc1 = new Linear(shape.Width, shape.MlpWidth, placement);
        _fc2 = new Linear(shape.MlpWidth, shape.Width, placement);
        _activation = shape.Activation;
        RegisterComponents();
    }

    /// <summary>Runs both layers.</summary>
    /// <param name="x">[..., D].</param>
    /// <returns>[..., D].</returns>
    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return _fc2.call(_activation.Apply(_fc1.call(x))).MoveToOuterDisposeScope();
    }
}
