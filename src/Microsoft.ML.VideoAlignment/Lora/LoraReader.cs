using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>Reads files whose tensors have names: finds the pairs of factors, and refuses what is not plain LoRA.</summary>
internal static partial class LoraReader
{
    /// <summary>The largest alpha that is accepted; a larger one means that the file is damaged.</summary>
    public const double MaxAlpha = 1e9;

    // Methods other than plain LoRA, by the piece of a key that identifies them.
    private static readonly (string Piece, string Method)[] s_others =
    [
        ("lora_magnitude_vector", "DoRA (magnitudes beside the factors)"), ("dora_scale", "DoRA (magnitudes beside the factors)"),
        ("hada_", "LoHa (Hadamard products)"), ("lokr_", "LoKr (Kronecker products)"), ("ia3_", "IA3"), ("boft_", "BOFT"), ("oft_", "OFT (orthogonal)"),
        ("vera_", "VeRA"), ("lora_mid", "LoCon with a Tucker core"), ("lora_embedding_", "LoRA of an embedding"),
        ("modules_to_save", "LoRA with whole layers beside it (modules_to_save)"), ("glora_", "GLoRA"), (".diff_b", "differences of whole biases (diff_b)"),
        (".diff", "differences of whole layers (diff)"), (".w_norm", "differences of norms (w_norm)"), (".b_norm", "differences of norms (b_norm)"),
        (".set_weight", "whole layers (set_weight)"),
        (".on_input", "IA3 (on_input)"), ("reshape_weight", "a layer of another shape (reshape_weight)"),
    ];

    /// <summary>Reads every tensor of a file.</summary>
    /// <param name="source">The open file.</param>
    /// <param name="parse">Parses a key; null for one it does not know.</param>
    /// <param name="getScale">Gives the scale from module path, rank and alpha (null: the file has none).</param>
    /// <param name="origin">What is already known of the file; the rest is filled in.</param>
    /// <returns>The weights, which the caller disposes.</returns>
    /// <exception cref="WeightFileException">A key is unknown, half a pair or another method's; the file holds several adapters; a factor or an alpha is
    /// invalid.</exception>
    public static LoraWeights Read(IWeightSource source, Func<string, LoraKey?> parse, Func<string, long, double?, double> getScale, LoraOrigin origin)
    {
        var found = new Dictionary<string, Dictionary<LoraRole, string>>(StringComparer.Ordinal);
        var adapters = new SortedSet<string>(StringComparer.Ordinal);
        var generations = new HashSet<LoraFormat>();
        var notApplied = new List<string>();
        var unknown = new List<string>();
        foreach (string key in source.Entries.Keys)
        {
            if (LoraPrefix.IsTextEncoder(key))
            {
                notApplied.Add(key);
            }
            else if (parse(key) is { } parsed)
            {
                Dictionary<LoraRole, string> roles =
                    found.TryGetValue(parsed.Module, out Dictionary<LoraRole, string>? known) ? known : found[parsed.Module] = [];
                if (parsed.Generation is { } generation)
                {
                    adapters.Add(parsed.Adapter ?? "");
                    generations.Add(generation);
                }

                RequireOneAdapter(source, adapters);
                if (!roles.TryAdd(parsed.Role, key))
                {
                    throw new WeightFileException(source.Location, $"'{key}' and '{roles[parsed.Role]}' mean the same tensor.");
                }
            }
            else
            {
                RequirePlain(source, key);
                unknown.Add(key);
            }
        }

        RequirePairs(source, found, unknown);
        List<LoraPair> pairs = ReadPairs(source, found, getScale);
        return new LoraWeights(pairs, origin with
        {
            Location = source.Location,
            Format = origin.Format is LoraFormat.Diffusers ? GenerationOf(generations) : origin.Format,
            Dtype = pairs.Count > 0 ? pairs[0].Down.dtype : ScalarType.Float32,
            NotApplied = notApplied.ToDictionary(key => key, key => StoredBytes.Read(source, key), StringComparer.Ordinal),
            Keys = found.ToDictionary(pair => pair.Key, pair => LoraPairKeys.Describe(source, pair.Value), StringComparer.Ordinal),
        });
    }

    /// <summary>Checks that the factors are finite, of a floating dtype, and have one axis or more after the rank.</summary>
    /// <param name="pair">The factors of one layer.</param>
    /// <param name="location">The file, for the message.</param>
    /// <exception cref="WeightFileException">They are not.</exception>
    public static void RequireFactors(LoraPair pair, string location)
    {
        foreach (Tensor factor in new[] { pair.Down, pair.Up })
        {
            if (factor.dim() < 2 || factor.numel() == 0 || !factor.is_floating_point())
            {
                throw new WeightFileException(
                    location, $"the factors of {pair.Module} are {factor.dtype} [{string.Join(", ", factor.shape)}], which are not LoRA factors.");
            }

            using DisposeScope scope = NewDisposeScope();
            if (!HostRead.Flag(factor.isfinite().all()))
            {
                throw new WeightFileException(
                    location, $"the factors of {pair.Module} hold numbers that are not finite: the training that made them failed. "
                    + "Take an earlier checkpoint.");
            }
        }
    }

    /// <summary>Checks that an alpha is finite and above 0.</summary>
    /// <param name="alpha">The alpha as the file has it.</param>
    /// <param name="location">The file, for the message.</param>
    /// <param name="what">The name of the number, for the message.</param>
    /// <returns>The alpha.</returns>
    /// <exception cref="WeightFileException">It is not, or above <see cref="MaxAlpha"/>.</exception>
    public static double RequireAlpha(double alpha, string location, string what) => alpha is > 0 and <= MaxAlpha
        ? alpha
        : throw new WeightFileException(
            location,
            $"{what} is {alpha.ToString("R", CultureInfo.InvariantCulture)}; an alpha is a finite number above 0, and its factors are scaled by alpha / rank. "
            + "The file is damaged.");

    // diffusers' generation of a file's keys; a file that mixes them is written as it was read.
    private static LoraFormat GenerationOf(HashSet<LoraFormat> generations) =>
        generations.SetEquals([LoraFormat.DiffusersProcessor]) ? LoraFormat.DiffusersProcessor
        : generations.SetEquals([LoraFormat.DiffusersDown]) ? LoraFormat.DiffusersDown
        : LoraFormat.Diffusers;

    private static void RequireOneAdapter(IWeightSource source, SortedSet<string> adapters)
    {
        if (adapters.Count > 1)
        {
            throw new WeightFileException(
                source.Location,
                $"holds more than one adapter: {string.Join(", ", adapters.Select(name => name.Length == 0 ? "one without a name" : $"'{name}'"))}. "
                + "Save only the one that is wanted (peft: save_pretrained with selected_adapters).");
        }
    }

    private static void RequirePlain(IWeightSource source, string key)
    {
        string? method = Bias().IsMatch(key)
            ? "LoRA with a bias (lora_bias)"
            : s_others.FirstOrDefault(other => key.Contains(other.Piece, StringComparison.Ordinal)).Method;
        if (method is not null)
        {
            throw new WeightFileException(
                source.Location, $"holds {method}, not plain LoRA: '{key}'. It cannot be applied here; convert or merge it with the tool that made it.");
        }
    }

    private static void RequirePairs(IWeightSource source, Dictionary<string, Dictionary<LoraRole, string>> found, List<string> unknown)
    {
        string[] faults =
        [
            .. unknown.Select(key => $"'{key}' is not a key of this format"),
            .. found.Where(pair => !pair.Value.ContainsKey(LoraRole.Down) || !pair.Value.ContainsKey(LoraRole.Up))
                .Select(pair => $"half a pair: {string.Join(", ", pair.Value.Values.Select(key => $"'{key}'"))}"),
        ];
        if (faults.Length > 0)
        {
            throw new WeightFileException(
                source.Location, $"{string.Join("; ", faults.Take(10))}{(faults.Length > 10 ? $"; and {faults.Length - 10} more" : "")}.");
        }
    }

    private static List<LoraPair> ReadPairs(
        IWeightSource source, Dictionary<string, Dictionary<LoraRole, string>> found, Func<string, long, double?, double> scaleOf)
    {
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
                double? alpha = roles.TryGetValue(LoraRole.Alpha, out string? key) ? Alpha(source, key) : null;
                pairs[^1] = pair with { Scale = scaleOf(module, pair.Rank, alpha) };
            }

            return pairs;
        }
        catch
        {
            pairs.ForEach(pair => pair.Dispose());
            throw;
        }
    }

    private static double Alpha(IWeightSource source, string key)
    {
        using Tensor value = source.Read(key);
        if (value.numel() != 1)
        {
            throw new WeightFileException(source.Location, $"'{key}' is not a single number.");
        }

        using Tensor number = value.to(ScalarType.Float64);
        return RequireAlpha(HostRead.Number(number), source.Location, $"'{key}'");
    }

    [GeneratedRegex(@"\.(lora_B|lora_up|lora\.up)(\.[^.]+)?\.bias$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Bias();
}
