using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// The encoder of T5 (Raffel et al. 2020, arXiv 1910.10683) or UMT5 (Chung et al. 2023, arXiv 2304.09151), with the names and defaults of the reference's
/// config.json (transformers T5Config, UMT5Config).
/// </summary>
internal sealed record T5Config
{
    private const string GatePrefix = "gated-";

    /// <summary>T5 v1.1 XXL, the text encoder of Open-Sora.</summary>
    public static T5Config Xxl { get; } = new() { DModel = 4096, DFf = 10240, NumLayers = 24, NumHeads = 64, FeedForwardProj = "gated-gelu" };

    /// <summary>UMT5 XXL, the text encoder of Wan; special pieces and sentinels are among the rows of its table.</summary>
    public static T5Config Umt5Xxl { get; } = Xxl with { VocabSize = 256384, HasBiasInEveryBlock = true };

    // What transformers' MT5Config and UMT5Config take for absent keys.
    private static readonly T5Config s_multilingual = new() { VocabSize = 250112, DFf = 1024, NumLayers = 8, NumHeads = 6, FeedForwardProj = "gated-gelu" };

    public long VocabSize { get; init; } = 32128;

    /// <summary>D, the width of the states.</summary>
    public long DModel { get; init; } = 512;

    /// <summary>The width of one attention head; heads times this need not be D.</summary>
    public long DKv { get; init; } = 64;

    /// <summary>The width between the linear layers of the feed-forward part.</summary>
    public long DFf { get; init; } = 2048;

    /// <summary>The number of encoder blocks.</summary>
    public long NumLayers { get; init; } = 6;

    public long NumHeads { get; init; } = 8;

    /// <summary>The number of rows in the table of position biases.</summary>
    public long RelativeAttentionNumBuckets { get; init; } = 32;

    /// <summary>Distances from here on share the last bucket of their side.</summary>
    public long RelativeAttentionMaxDistance { get; init; } = 128;

    public double LayerNormEpsilon { get; init; } = 1e-6;

    /// <summary>"relu" (v1.0) or "gated-gelu" (v1.1).</summary>
    public string FeedForwardProj { get; init; } = "relu";

    /// <summary>Whether every block has a table of position biases (UMT5), not the first alone, whose bias the others share.</summary>
    public bool HasBiasInEveryBlock { get; init; }

    /// <summary>Whether the feed-forward part multiplies an activated and a plain projection.</summary>
    public bool IsGated => FeedForwardProj.StartsWith(GatePrefix, StringComparison.Ordinal);

    /// <summary>The activation; gated-gelu means the tanh form of GELU, whatever the plain name means elsewhere.</summary>
    public Activation Activation => FeedForwardProj == "gated-gelu" ? Activation.GeluTanh
        : Activation.ByName(IsGated ? FeedForwardProj[GatePrefix.Length..] : FeedForwardProj, "feed_forward_proj");

    /// <summary>Whether a block has a table of position biases.</summary>
    /// <param name="block">Its index, from 0.</param>
    public bool OwnsTable(int block) => HasBiasInEveryBlock || block == 0;

    /// <summary>Reads a T5's or UMT5's config.json, of an encoder or of a whole model.</summary>
    /// <param name="json">The file's object.</param>
    /// <exception cref="InvalidDataException">A value is of the wrong kind, or sizes do not fit each other.</exception>
    public static T5Config FromJson(JsonElement json)
    {
        T5Config defaults = Defaults(ConfigJson.Text(json, "model_type", "t5"));
        T5Config config = defaults with
        {
            VocabSize = ConfigJson.Integer(json, "vocab_size", defaults.VocabSize),
            DModel = ConfigJson.Integer(json, "d_model", defaults.DModel),
            DKv = ConfigJson.Integer(json, "d_kv", defaults.DKv),
            DFf = ConfigJson.Integer(json, "d_ff", defaults.DFf),
            NumLayers = ConfigJson.Integer(json, "num_layers", defaults.NumLayers, maximum: ConfigJson.MaxLayers),
            NumHeads = ConfigJson.Integer(json, "num_heads", defaults.NumHeads),
            RelativeAttentionNumBuckets = ConfigJson.Integer(json, "relative_attention_num_buckets", defaults.RelativeAttentionNumBuckets),
            RelativeAttentionMaxDistance = ConfigJson.Integer(json, "relative_attention_max_distance", defaults.RelativeAttentionMaxDistance),
            LayerNormEpsilon = ConfigJson.Number(json, "layer_norm_epsilon", defaults.LayerNormEpsilon, maximum: 1),
            FeedForwardProj = ConfigJson.Text(json, "feed_forward_proj", defaults.FeedForwardProj),
        };
        config.Validate();
        return config;
    }

    private static T5Config Defaults(string modelType) => modelType switch
    {
        "t5" => new T5Config(),
        "mt5" => s_multilingual,
        "umt5" => s_multilingual with { HasBiasInEveryBlock = true },
        _ => throw new InvalidDataException(
            $"config: model_type is '{modelType}', expected t5, mt5 or umt5. Is this the folder of a T5's encoder?"),
    };

    private void Validate()
    {
        long[] sizes = [VocabSize, DModel, DKv, DFf, NumLayers, NumHeads];
        if (sizes.Any(size => size < 1))
        {
            throw new InvalidDataException(
                $"config: vocab_size {VocabSize}, d_model {DModel}, d_kv {DKv}, d_ff {DFf}, num_layers {NumLayers}, num_heads {NumHeads} "
                + "must all be 1 or more. Is this a T5's config.json?");
        }

        // Half of the buckets is for each direction, and half of those for single distances.
        if (RelativeAttentionNumBuckets < 4 || RelativeAttentionNumBuckets % 2 != 0 || RelativeAttentionMaxDistance <= RelativeAttentionNumBuckets / 4)
        {
            throw new InvalidDataException(
                $"config: relative_attention_num_buckets is {RelativeAttentionNumBuckets} and relative_attention_max_distance "
                + $"{RelativeAttentionMaxDistance}; expected an even number of 4 or more, and a distance greater than a quarter of it.");
        }

        _ = Activation;
    }
}
