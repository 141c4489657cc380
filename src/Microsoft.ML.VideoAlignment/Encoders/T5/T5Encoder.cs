using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using TorchSharp.Utils;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>transformers' T5EncoderModel or UMT5EncoderModel with all its weights in memory.</summary>
/// <remarks>Keys <c>shared.weight</c> [V, D], <c>encoder.block.N.*</c>, <c>encoder.final_layer_norm.weight</c>.</remarks>
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

    /// <summary>Makes an encoder from named tensors.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, before each key of the module.</param>
    public static T5Encoder FromSource(IWeightSource source, T5Config config, Placement placement, string prefix = "") =>
        WeightLoader.Fill(new T5Encoder(config, placement), source, prefix, T5Keys.CreateMap(source, prefix));

    public Tensor Encode(Tensor ids, Tensor? attentionMask) => Run(ids, attentionMask, states: null);

    public void MoveTo(Device device) => this.to(device);

    /// <summary>Encodes tokens, and returns the output of each block as well.</summary>
    /// <param name="ids">int64 [B, L].</param>
    /// <param name="attentionMask">[B, L], 0 on padding; null: padding is attended to like any token.</param>
    /// <param name="states">Receives the output of every block, [B, L, D], not normalized, and owns it; null: none.</param>
    /// <returns>[B, L, D], after the last norm.</returns>
    public Tensor Run(Tensor ids, Tensor? attentionMask, IList<Tensor>? states)
    {
        Shapes.Require(ids, "B, L");
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(_shared, ids);
        Tensor buckets = T5PositionBias.CreateBuckets(Config, ids.shape[1], x.device);
        Tensor? bias = null;
        foreach (T5Block block in _encoder.Blocks)
        {
            bias = block.ComputeBias(bias, buckets, attentionMask);
            x = block.Forward(x, bias);
            states?.Add(x.alias().MoveToOuterDisposeScope());
        }

        return _encoder.FinalLayerNorm.call(x).MoveToOuterDisposeScope();
    }

    /// <summary>Looks up the rows of the table, not scaled, in the computing type.</summary>
    /// <param name="table">The embedding.</param>
    /// <param name="ids">int64 [B, L].</param>
    /// <returns>[B, L, D].</returns>
    internal static Tensor Embed(Embedding table, Tensor ids)
    {
        using Tensor rows = table.call(ids);
        return rows.to_type(Placement.ComputeDtype(rows.dtype)).alias();
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
            Blocks = nn.ModuleList([.. Enumerable.Range(0, (int)config.NumLayers).Select(index => new T5Block(config, config.OwnsTable(index), placement))]);
            FinalLayerNorm = new RmsNorm(config.DModel, config.LayerNormEpsilon, placement);
            RegisterComponents();
        }
    }
}
