using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>What one tensor of an adapter file is.</summary>
internal enum LoraRole
{
    Down,
    Up,

    /// <summary>A number beside the factors; scale = alpha / rank.</summary>
    Alpha,

    /// <summary>For another network, such as a text encoder.</summary>
    NotApplied,
}

/// <summary>Reads files whose tensors have names: finds the pairs, and refuses what is not plain LoRA.</summary>
internal static class LoraKeys
{
    /// <summary>Names of other methods, by the piece of a key that gives them away.</summary>
    private static readonly (string Piece, string Method)[] s_others =
    [
        ("lora_magnitude_vector", "DoRA (magnitudes beside the factors)"), ("dora_scale", "DoRA (magnitudes beside the factors)"), ("hada_", "LoHa (Hadamard products)"),
        ("lokr_", "LoKr (Kronecker products)"), ("ia3_", "IA3"), ("oft_", "OFT (orthogonal)"), ("boft_", "BOFT"), ("vera_", "VeRA"), ("lora_mid", "LoCon with a Tucker core"),
        ("lora_embedding_", "LoRA of an embedding"), ("lora_B.bias", "LoRA with a bias (lora_bias)"), ("lora_up.bias", "LoRA with a bias"), ("modules_to_save", "LoRA with whole layers beside it (modules_to_save)"),
        ("glora_", "GLoRA"),
    ];

    /// <summary>The module before one of these suffixes, and what the suffix means; null for another key.</summary>
    public static (string Module, LoraRole Role)? Suffixed(string key, string down, string up, string? alpha = null) =>
        key.EndsWith(down, StringComparison.Ordinal) ? (key[..^down.Length], LoraRole.Down)
        : key.EndsWith(up, StringComparison.Ordinal) ? (key[..^up.Length], LoraRole.Up)
        : alpha is not null && key.EndsWith(alpha, StringComparison.Ordinal) ? (key[..^alpha.Length], LoraRole.Alpha)
        : null;

    /// <summary>
    /// Reads every tensor of <paramref name="source"/>. <paramref name="parse"/> gives the module and role of a key, null for a key it does not know;
    /// <paramref name="scaleOf"/> the scale from module, rank and alpha (null where the file has none).
    /// </summary>
    public static LoraWeights Read(IWeightSource source, Func<string, (string Module, LoraRole Role)?> parse, Func<string, long, double?, double> scaleOf, LoraOrigin origin)
    {
        var found = new Dictionary<string, Dictionary<LoraRole, string>>(StringComparer.Ordinal);
        var notApplied = new List<string>();
        var unknown = new List<string>();
        foreach (string key in source.Entries.Keys)
        {
            switch (parse(key))
            {
                case null when s_others.FirstOrDefault(other => key.Contains(other.Piece, StringComparison.Ordinal)) is { Method: { } method }:
                    throw new WeightFileException(source.Location, $"holds {method}, not plain LoRA: '{key}'. It cannot be applied here; convert or merge it with the tool that made it.");
                case null:
                    unknown.Add(key);
                    break;
                case (_, LoraRole.NotApplied):
                    notApplied.Add(key);
                    break;
                case var (module, role):
                    Dictionary<LoraRole, string> roles = found.TryGetValue(module, out Dictionary<LoraRole, string>? known) ? known : found[module] = [];
                    if (!roles.TryAdd(role, key))
                    {
                        throw new WeightFileException(source.Location, $"'{key}' and '{roles[role]}' mean the same tensor.");
                    }

                    break;
            }
        }

        string[] faults =
        [
            .. unknown.Select(key => $"'{key}' is no key of this format"),
            .. found.Where(pair => !pair.Value.ContainsKey(LoraRole.Down) || !pair.Value.ContainsKey(LoraRole.Up)).Select(pair => $"half a pair: {string.Join(", ", pair.Value.Values.Select(key => $"'{key}'"))}"),
        ];
        if (faults.Length > 0)
        {
            throw new WeightFileException(source.Location, $"{string.Join("; ", faults.Take(10))}{(faults.Length > 10 ? $"; and {faults.Length - 10} more" : "")}.");
        }

        var pairs = new List<LoraPair>();
        try
        {
            foreach ((string module, Dictionary<LoraRole, string> roles) in found)
            {
                Tensor down = source.Read(roles[LoraRole.Down]).DetachFromDisposeScope();
                Tensor up = source.Read(roles[LoraRole.Up]).DetachFromDisposeScope();
                var pair = new LoraPair(module, down, up, 1);
                pairs.Add(pair);
                RequireFactors(pair, source.Location);
                double? alpha = roles.TryGetValue(LoraRole.Alpha, out string? key) ? Number(source, key) : null;
                pairs[^1] = pair with { Scale = scaleOf(module, pair.Rank, alpha) };
            }
        }
        catch
        {
            pairs.ForEach(pair => pair.Dispose());
            throw;
        }

        return new LoraWeights(pairs, origin with
        {
            Location = source.Location,
            Dtype = pairs.Count > 0 ? pairs[0].Down.dtype : ScalarType.Float32,
            NotApplied = notApplied.ToDictionary(key => key, key => Keep(source, key), StringComparer.Ordinal),
            WithoutAlpha = found.Where(pair => !pair.Value.ContainsKey(LoraRole.Alpha)).Select(pair => pair.Key).ToHashSet(StringComparer.Ordinal),
        });
    }

    /// <summary>Factors must be floating and have one axis or more behind the rank.</summary>
    public static void RequireFactors(LoraPair pair, string location)
    {
        foreach (Tensor factor in new[] { pair.Down, pair.Up })
        {
            if (factor.dim() < 2 || factor.numel() == 0 || !factor.is_floating_point())
            {
                throw new WeightFileException(location, $"the factors of {pair.Module} are {factor.dtype} [{string.Join(", ", factor.shape)}], no factors of LoRA.");
            }
        }
    }

    private static double Number(IWeightSource source, string key)
    {
        using Tensor value = source.Read(key);
        if (value.numel() != 1)
        {
            throw new WeightFileException(source.Location, $"'{key}' is no single number.");
        }

        using Tensor number = value.to(ScalarType.Float64);
        return number.item<double>();
    }

    private static StoredBytes Keep(IWeightSource source, string key)
    {
        using Tensor value = source.Read(key);
        return StoredBytes.Of(value);
    }
}
