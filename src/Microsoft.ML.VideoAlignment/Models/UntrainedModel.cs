using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>Models without files, with random weights, of every family that has them.</summary>
internal static class UntrainedModel
{
    /// <summary>Makes a model.</summary>
    /// <param name="family">The family's name.</param>
    /// <param name="size">How large.</param>
    /// <param name="seed">The seed of weights and text states.</param>
    /// <param name="precision">How weights are stored.</param>
    /// <param name="filled">Whether weights are random; else they are whatever was in memory, for whoever fills them from a file.</param>
    /// <param name="device">Where weights are made, so that a full-size model never is in the CPU's memory; null: there.</param>
    /// <exception cref="ArgumentException">The family is not known or has no untrained models, or the size is not known.</exception>
    public static VideoDiffusionModel Make(
        string family, UntrainedSize size, int seed, WeightPrecision precision = WeightPrecision.Float32, bool filled = true, Device? device = null)
    {
        Placement placement = Placement.OnCpu(precision);
        using var weights = new UntrainedWeights(seed, filled);
        VideoDiffusionModel model = Make(family, size, seed, weights, device is null ? placement : placement with { Device = device });
        if (device is not null)
        {
            model.MoveTo(device); // what has no weights
        }

        return model;
    }

    /// <summary>Makes a model that has shapes and no memory: for estimates of models that would not fit.</summary>
    /// <param name="family">One of <see cref="VideoModelFamily"/>.</param>
    /// <param name="size">How large.</param>
    /// <param name="precision">How weights would be stored.</param>
    public static VideoDiffusionModel MakeOnMeta(string family, UntrainedSize size, WeightPrecision precision)
    {
        using var weights = new UntrainedWeights(seed: 0, filled: false);
        return Make(family, size, seed: 0, weights, Placement.OnCpu(precision) with { Device = META });
    }

    private static VideoDiffusionModel Make(string family, UntrainedSize size, int seed, UntrainedWeights weights, Placement placement)
    {
        if (!Enum.IsDefined(size))
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "Unknown size.");
        }

        ModelDefinition[] known = [.. ModelCatalog.All.Where(definition => definition.Untrained is not null)];
        ModelDefinition chosen = known.FirstOrDefault(definition => definition.Name == family) ?? throw new ArgumentException(
            $"The family '{family}' has no untrained models; expected one of {string.Join(", ", known.Select(definition => definition.Name))}.",
            nameof(family));
        string source = $"untrained {family}, {size}, seed {seed}";
        return new VideoDiffusionModel(chosen.Untrained!(new UntrainedRequest(source, size, weights, placement, seed)));
    }
}
