using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;
using Embedding = Microsoft.ML.VideoAlignment.Layers.Embedding;

namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>
/// A T5 encoder that reads its weights from the files at every call and holds one block of them at a time. It returns the numbers of <see cref="T5Encoder"/>.
/// </summary>
/// <remarks>For T5-XXL it holds 0.4 GB in half precision instead of 9.5. Encode all prompts in one call: each call reads the files once.</remarks>
internal sealed class StreamedT5Encoder : IT5Encoder
{
    private readonly IWeightSource _source;
    private readonly string _prefix;
    private readonly KeyMap _map;
    private Placement _placement;

    /// <summary>Checks that the weights fit the configuration.</summary>
    /// <param name="source">The weights; the encoder owns them, and disposes them where they do not fit.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="placement">The device, and how weights are stored.</param>
    /// <param name="prefix">The start of the names in the file, before each key.</param>
    /// <exception cref="WeightFileException">Names or shapes are not this network's; no value has been read.</exception>
    public StreamedT5Encoder(IWeightSource source, T5Config config, Placement placement, string prefix = "")
    {
        (_source, Config, _placement, _prefix, _map) = (source, config, placement, prefix, T5Keys.CreateMap(source, prefix));
        try
        {
            using var whole = new T5Encoder(config, Placement.Meta);
            LoadReport report = WeightLoader.Compare(whole, source, prefix, _map);
            if (!report.Fits)
            {
                throw new WeightFileException(source.Location, $"does not fit {nameof(T5Encoder)}. {report.Problem}");
            }
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public T5Config Config { get; }

    public Tensor Encode(Tensor ids, Tensor? attentionMask)
    {
        Shapes.Require(ids, "B, L");
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(ids);
        Tensor buckets = T5PositionBias.CreateBuckets(Config, ids.shape[1], x.device);
        Tensor? bias = null;
        for (int index = 0; index < Config.NumLayers; index++)
        {
            using DisposeScope step = NewDisposeScope();
            using T5Block block = Fill(new T5Block(Config, Config.OwnsTable(index), _placement), $"encoder.block.{index}.");
            Tensor own = block.ComputeBias(bias, buckets, attentionMask);
            bias = ReferenceEquals(own, bias) ? bias : own.MoveToOuterDisposeScope();
            Tensor next = block.Forward(x, bias).MoveToOuterDisposeScope();
            x.Dispose();
            x = next;
        }

        using RmsNorm norm = Fill(new RmsNorm(Config.DModel, Config.LayerNormEpsilon, _placement), "encoder.final_layer_norm.");
        return norm.call(x).MoveToOuterDisposeScope();
    }

    public void MoveTo(Device device) => _placement = _placement with { Device = device };

    public void Dispose() => _source.Dispose();

    private Tensor Embed(Tensor ids)
    {
        using Embedding table = Fill(new Embedding(Config.VocabSize, Config.DModel, _placement), "shared.");
        return T5Encoder.Embed(table, ids);
    }

    private T Fill<T>(T module, string key)
        where T : nn.Module => WeightLoader.Fill(module, _source, _prefix, _map.Within(key));
}
