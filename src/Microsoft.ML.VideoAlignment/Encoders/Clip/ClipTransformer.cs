using Microsoft.ML.VideoAlignment.Tensors;
using TorchSharp.Modules;
using TorchSharp.Utils;
using LayerNorm = Microsoft.ML.VideoAlignment.Layers.LayerNorm;
using Linear = Microsoft.ML.VideoAlignment.Layers.Linear;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>The width, depth and rules that both towers' transformers share.</summary>
internal sealed record ClipTransformerShape(long HiddenSize, long IntermediateSize, long Layers, long Heads, string HiddenAct, double LayerNormEps);

/// <summary>A stack of pre-norm transformer layers. Keys <c>layers.N.*</c>.</summary>
internal sealed class ClipTransformer : nn.Module
{
    [ComponentName(Name = "layers")]
    private readonly ModuleList<ClipLayer> _layers;

    public ClipTransformer(ClipTransformerShape shape, Placement placement)
        : base(nameof(ClipTransformer))
    {
        if (shape.HiddenSize % shape.Heads != 0)
        {
            throw new InvalidDataException($"hidden_size {shape.HiddenSize} is not a multiple of num_attention_heads {shape.Heads}.");
        }

        Func<Tensor, Tensor> activation = ClipActivation.Named(shape.HiddenAct);
        _layers = nn.ModuleList([.. Enumerable.Range(0, checked((int)shape.Layers)).Select(_ => new ClipLayer(shape, activation, placement))]);
        RegisterComponents();
    }

    public int Depth => _layers.Count;

    /// <summary>
    /// x: [B, L, D] -> the output of layer <paramref name="depth"/> - 1, a fresh tensor. The tensors that enter layers 1 and up are added to
    /// <paramref name="hiddenStates"/> (which then is the reference's hidden_states without its first and last entries).
    /// </summary>
    /// <remarks>
    /// <paramref name="mask"/>: boolean [B, 1, L, L], true where a query may look; null: everywhere, or to the left if <paramref name="causal"/>.
    /// </remarks>
    public Tensor Run(Tensor x, Tensor? mask, bool causal, int depth, List<Tensor>? hiddenStates = null)
    {
        Tensor state = x.alias();
        for (int layer = 0; layer < depth; layer++)
        {
            Tensor next = _layers[layer].Forward(state, mask, causal);
            if (hiddenStates is null || layer == 0)
            {
                state.Dispose();
            }
            else
            {
                hiddenStates.Add(state);
            }

            state = next;
        }

        return state;
    }
}

/// <summary>x += attention(LN1(x)); x += MLP(LN2(x)). Keys layer_norm1, self_attn, layer_norm2, mlp.</summary>
internal sealed class ClipLayer : nn.Module
{
    [ComponentName(Name = "layer_norm1")]
    private readonly LayerNorm _layerNorm1;

    [ComponentName(Name = "self_attn")]
    private readonly ClipAttention _attention;

    [ComponentName(Name = "layer_norm2")]
    private readonly LayerNorm _layerNorm2;

    [ComponentName(Name = "mlp")]
    private readonly ClipMlp _mlp;

    public ClipLayer(ClipTransformerShape shape, Func<Tensor, Tensor> activation, Placement placement)
        : base(nameof(ClipLayer))
    {
        _layerNorm1 = new LayerNorm(shape.HiddenSize, shape.LayerNormEps, placement);
        _attention = new ClipAttention(shape.HiddenSize, shape.Heads, placement);
        _layerNorm2 = new LayerNorm(shape.HiddenSize, shape.LayerNormEps, placement);
        _mlp = new ClipMlp(shape.HiddenSize, shape.IntermediateSize, activation, placement);
        RegisterComponents();
    }

    public Tensor Forward(Tensor x, Tensor? mask, bool causal)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor attended = x + _attention.Forward(_layerNorm1.call(x), mask, causal);
        return (attended + _mlp.call(_layerNorm2.call(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Multi-head self-attention, scale head_dim^-0.5, all four products with bias. Keys q_proj, k_proj, v_proj, out_proj.</summary>
internal sealed class ClipAttention : nn.Module
{
    [ComponentName(Name = "q_proj")]
    private readonly Linear _query;

    [ComponentName(Name = "k_proj")]
    private readonly Linear _key;

    [ComponentName(Name = "v_proj")]
    private readonly Linear _value;

    [ComponentName(Name = "out_proj")]
    private readonly Linear _out;

    private readonly long _heads;

    public ClipAttention(long hiddenSize, long heads, Placement placement)
        : base(nameof(ClipAttention))
    {
        _query = new Linear(hiddenSize, hiddenSize, placement);
        _key = new Linear(hiddenSize, hiddenSize, placement);
        _value = new Linear(hiddenSize, hiddenSize, placement);
        _out = new Linear(hiddenSize, hiddenSize, placement);
        _heads = heads;
        RegisterComponents();
    }

    public Tensor Forward(Tensor x, Tensor? mask, bool causal)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = nn.functional.scaled_dot_product_attention(
            Heads(_query.call(x)), Heads(_key.call(x)), Heads(_value.call(x)), mask, is_casual: causal && mask is null);
        return _out.call(y.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope(); // [B, heads, L, d] -> [B, L, D]
    }

    private Tensor Heads(Tensor x) => x.unflatten(2, [_heads, -1]).transpose(1, 2); // [B, L, D] -> [B, heads, L, d]
}

/// <summary>fc2(act(fc1(x))). Keys fc1, fc2.</summary>
internal sealed class ClipMlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "fc1")]
    private readonly Linear _fc1;

    [ComponentName(Name = "fc2")]
    private readonly Linear _fc2;

    private readonly Func<Tensor, Tensor> _activation;

    public ClipMlp(long hiddenSize, long intermediateSize, Func<Tensor, Tensor> activation, Placement placement)
        : base(nameof(ClipMlp))
    {
        _fc1 = new Linear(hiddenSize, intermediateSize, placement);
        _fc2 = new Linear(intermediateSize, hiddenSize, placement);
        _activation = activation;
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        return _fc2.call(_activation(_fc1.call(x))).MoveToOuterDisposeScope();
    }
}
