using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>The two factors of one layer as a file holds them.</summary>
/// <param name="Module">Module path of the layer.</param>
/// <param name="Down">[r, in, ...kernel].</param>
/// <param name="Up">[out, r, ...].</param>
/// <param name="Scale">alpha / rank.</param>
internal sealed record LoraPair(string Module, Tensor Down, Tensor Up, double Scale) : IDisposable
{
    public long Rank => Down.shape[0];

    /// <summary>Scale * rank.</summary>
    public double Alpha => Scale * Rank;

    public void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
    }
}

/// <summary>An adapter outside of any network: what the file formats read and write. Owns its tensors, which lie on the CPU in the file's dtype.</summary>
/// <param name="pairs">The factors, one pair a layer; owned by this object.</param>
/// <param name="origin">What the file holds beside the factors.</param>
internal sealed class LoraWeights(IReadOnlyList<LoraPair> pairs, LoraOrigin origin) : IDisposable
{
    public IReadOnlyList<LoraPair> Pairs { get; } = pairs;

    public LoraOrigin Origin { get; } = origin;

    /// <summary>Finds the layer of each pair.</summary>
    /// <param name="network">The network that the adapter is for; stays unchanged.</param>
    /// <exception cref="WeightFileException">A pair does not fit the network; the message lists them.</exception>
    public IReadOnlyList<(AdaptableLayer Layer, LoraPair Pair)> MatchLayers(nn.Module network)
    {
        Dictionary<string, AdaptableLayer> layers = AdaptableLayer.FindAll(network).ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        var fitted = new List<(AdaptableLayer, LoraPair)>(Pairs.Count);
        var faults = new List<string>();
        foreach (LoraPair pair in Pairs)
        {
            if (!layers.TryGetValue(pair.Module, out AdaptableLayer layer))
            {
                faults.Add($"{pair.Module}: the network has no such layer");
            }
            else if (!pair.Down.shape.SequenceEqual(layer.DownShape(pair.Rank)) || !pair.Up.shape.SequenceEqual(layer.UpShape(pair.Rank)))
            {
                faults.Add(
                    $"{pair.Module}: down {Shapes.Describe(pair.Down)} and up {Shapes.Describe(pair.Up)} do not fit "
                    + $"the weight {Shapes.Describe(layer.WeightShape)}");
            }
            else
            {
                fitted.Add((layer, pair));
            }
        }

        if (faults.Count > 0 || Pairs.Count == 0)
        {
            string list = Pairs.Count == 0
                ? "it holds no adapted layer"
                : $"{string.Join("; ", faults.Take(10))}{(faults.Count > 10 ? $"; and {faults.Count - 10} more" : "")}";
            throw new WeightFileException(Origin.Location, $"this adapter was made for another base than {network.GetName()}: {list}.");
        }

        return fitted;
    }

    public void Dispose()
    {
        foreach (LoraPair pair in Pairs)
        {
            pair.Dispose();
        }
    }
}
