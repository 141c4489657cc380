using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>transformers' T5EncoderModel with all its weights in memory. Keys <c>shared.weight</c> [V, D], <c>encoder.block.N.*</c>, <c>encoder.final_layer_norm.weight</c>.</summary>
internal sealed class T5Encoder : nn.Module, IT5Encoder
{
    [ComponentName(Name = "shared")]
    private readonly Embedding _shared;

    [ComponentName(Name = "encoder")]
    private readonly BlockStack _encoder;

    public T5Encoder(T5Config config, Placement placement)
        : base(nameof(T5Encoder))
    {
        Config = config;
        _shared = new Embedding(config.VocabSize, config.DModel, placement);
        _encoder = new BlockStack(config, placement);
        RegisterComponents();
    }

    public T5Config Config { get; }

    /// <summary>Reads config.json and the weights of a transformers folder.</summary>
    /// <remarks>
    /// <paramref name="variant"/>: such as "fp16", where the file names carry one.
    /// </remarks>
    public static T5Encoder FromFolder(string folder, Placement placement, string? variant = null)
    {
        var files = new DiffusersFolder(folder);
        using IWeightSource weights = files.OpenWeights(variant);
        return FromSource(weights, files.Parse(T5Config.FromJson), placement);
    }

    /// <summary>Fills an encoder from named tensors.</summary>
    /// <remarks>
    /// <paramref name="prefix"/>: what stands before each key of the module in the file.
    /// </remarks>
    public static T5Encoder FromSource(IWeightSource source, T5Config config, Placement placement, string prefix = "") =>
        WeightLoader.Fill(new T5Encoder(config, placement), source, prefix, T5Keys.For(source, prefix));

    public Tensor Encode(Tensor ids, Tensor? attentionMask) => Run(ids, attentionMask, states: null);

    public void MoveTo(Device device) => this.to(device);

    /// <summary>
    /// As <see cref="Encode"/>; <paramref name="states"/> takes the output of every block, not normalized, and owns it.
    /// </summary>
    public Tensor Run(Tensor ids, Tensor? attentionMask, IList<Tensor>? states)
    {
        Shapes.Require(ids, "B, L");
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(_shared, ids);
        Tensor bias = Bias(_encoder.Blocks[0].PositionBias(ids.shape[1]), attentionMask);
        foreach (T5Block block in _encoder.Blocks)
        {
            x = block.Forward(x, bias);
            states?.Add(x.alias().MoveToOuterDisposeScope());
        }

        return _encoder.FinalLayerNorm.call(x).MoveToOuterDisposeScope();
    }

    /// <summary>Rows of the table in the dtype that is computed in; not scaled. [B, L] -> [B, L, D].</summary>
    internal static Tensor Embed(Embedding table, Tensor ids)
    {
        using Tensor rows = table.call(ids);
        return rows.to_type(Placement.Computing(rows.dtype)).alias();
    }

    /// <summary>
    /// Position bias and padding in one, [1 or B, heads, L, L]. Padding gets the most negative number, not infinity: a row of nothing but padding stays finite.
    /// </summary>
    internal static Tensor Bias(Tensor position, Tensor? attentionMask)
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

    private sealed class BlockStack : nn.Module
    {
        [ComponentName(Name = "block")]
        public readonly TorchSharp.Modules.ModuleList<T5Block> Blocks;

        [ComponentName(Name = "final_layer_norm")]
        public readonly RmsNorm FinalLayerNorm;

        public BlockStack(T5Config config, Placement placement)
            : base(nameof(BlockStack))
        {
            Blocks = nn.ModuleList([.. Enumerable.Range(0, (int)config.NumLayers).Select(index => new T5Block(config, ownsTable: index == 0, placement))]);
            FinalLayerNorm = new RmsNorm(config.DModel, config.LayerNormEpsilon, placement);
            RegisterComponents();
        }
    }
}
