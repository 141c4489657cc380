using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Lora;

/// <summary>
/// The keys of peft's LoraConfig that say how factors are scaled: r, lora_alpha, rank_pattern, alpha_pattern, use_rslora (peft, tuners/lora/config.py).
/// Settings that change the forward pass in another way are refused by name; how the factors were initialized no longer matters.
/// </summary>
internal sealed class LoraSettings
{
    // Options that are not plain LoRA when they are set to anything but null, false or empty.
    private static readonly string[] s_refused =
    [
        "use_dora", "use_qalora", "use_bdlora", "lora_bias", "modules_to_save", "layer_replication", "alora_invocation_tokens", "arrow_config",
        "kasa_config", "velora_config", "monteclora_config", "target_parameters", "trainable_token_indices",
    ];

    // Initializations that change the base weights, so that the factors do not fit the original ones.
    private static readonly string[] s_refusedStarts = ["pissa", "olora", "corda", "loftq", "lora_ga"];

    // peft's defaults.
    private const int DefaultRank = 8, DefaultAlpha = 8;

    private const int MaxRank = 1 << 20;

    private readonly string _location;
    private readonly long _rank;
    private readonly double _alpha;
    private readonly bool _rootScale;
    private readonly IReadOnlyList<(Regex Key, double Value)> _ranks;
    private readonly IReadOnlyList<(Regex Key, double Value)> _alphas;

    private LoraSettings(JsonObject json, string location)
    {
        _location = location;
        string type = json["peft_type"] is { } value ? value.ToString() : "LORA";
        if (type != "LORA")
        {
            throw new WeightFileException(location, $"is an adapter of the method {type}; only LORA is read.");
        }

        foreach (string key in s_refused)
        {
            if (IsSet(json[key]))
            {
                throw new WeightFileException(location, $"is not plain LoRA: {key} is {json[key]!.ToJsonString()}.");
            }
        }

        if (json["bias"] is { } bias && bias.ToString() != "none")
        {
            throw new WeightFileException(location, $"bias is '{bias}': biases were trained beside the factors, which is not plain LoRA.");
        }

        if (json["init_lora_weights"] is JsonValue start && start.GetValueKind() == JsonValueKind.String
            && s_refusedStarts.FirstOrDefault(name => start.ToString().StartsWith(name, StringComparison.OrdinalIgnoreCase)) is { } changed)
        {
            throw new WeightFileException(
                location, $"init_lora_weights is '{start}': {changed} changes the base weights, so the factors do not fit the original ones. "
                + "Save it converted to plain LoRA (peft: path_initial_model_for_weight_conversion).");
        }

        _rank = json["r"] is { } rank ? (long)Rank("r", rank) : DefaultRank;
        _alpha = json["lora_alpha"] is { } alpha ? Alpha("lora_alpha", alpha) : DefaultAlpha;
        _rootScale = IsSet(json["use_rslora"]);
        (_ranks, _alphas) = (Patterns(json, "rank_pattern", Rank), Patterns(json, "alpha_pattern", Alpha));
    }

    public static LoraSettings FromJson(JsonObject json, string location) => new(json, location);

    /// <summary>Describes the scales of an adapter in peft's keys: the commonest rank and alpha, and one exact pattern for each module that differs.</summary>
    /// <param name="weights">The adapter.</param>
    /// <param name="targetNames">target_modules as a list of names; null: one pattern of all module paths.</param>
    public static JsonObject Describe(LoraWeights weights, IReadOnlyList<string>? targetNames)
    {
        long rank = Commonest(weights.Pairs.Select(pair => pair.Rank));
        double alpha = Commonest(weights.Pairs.Select(pair => pair.Alpha));
        var ranks = new JsonObject();
        var alphas = new JsonObject();
        foreach (LoraPair pair in weights.Pairs)
        {
            string exactly = $"^{Regex.Escape(pair.Module)}";
            if (pair.Rank != rank)
            {
                ranks[exactly] = pair.Rank;
            }

            if (pair.Alpha != alpha)
            {
                alphas[exactly] = ToJsonNumber(pair.Alpha);
            }
        }

        JsonNode targets = targetNames is not null
            ? new JsonArray([.. targetNames.Select(name => (JsonNode)name)])
            : string.Join('|', weights.Pairs.Select(pair => Regex.Escape(pair.Module)));
        return new JsonObject
        {
            ["alpha_pattern"] = alphas,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["lora_alpha"] = ToJsonNumber(alpha),
            ["lora_bias"] = false,
            ["lora_dropout"] = 0.0,
            ["peft_type"] = "LORA",
            ["r"] = rank,
            ["rank_pattern"] = ranks,
            ["target_modules"] = targets,
            ["task_type"] = null,
            ["use_dora"] = false,
            ["use_rslora"] = false,
        };

        static JsonNode ToJsonNumber(double number) => number == Math.Floor(number) && Math.Abs(number) < 1e9 ? (long)number : number;
    }

    /// <summary>The scale of a module: alpha / r, or alpha / sqrt(r) with use_rslora.</summary>
    /// <param name="module">Module path of the layer.</param>
    /// <param name="rank">Rank of the module's factors.</param>
    /// <exception cref="WeightFileException">
    /// The rank in the settings differs from that of the factors, or a pattern in them takes longer than a second.
    /// </exception>
    public double GetScale(string module, long rank)
    {
        double expected = First("rank_pattern", _ranks, module) ?? _rank;
        if (expected != rank)
        {
            throw new WeightFileException(
                _location, $"the settings say rank {expected} for {module}, its factors have rank {rank}; the scale would be a guess.");
        }

        double alpha = First("alpha_pattern", _alphas, module) ?? _alpha;
        return alpha / (_rootScale ? Math.Sqrt(rank) : rank);
    }

    private double? First(string name, IReadOnlyList<(Regex Key, double Value)> patterns, string module)
    {
        try
        {
            foreach ((Regex key, double value) in patterns)
            {
                if (LoraTargets.Matches(key, module))
                {
                    return value;
                }
            }

            return null;
        }
        catch (ArgumentException exception)
        {
            throw new WeightFileException(_location, $"{name}: {exception.Message}", exception);
        }
    }

    private static T Commonest<T>(IEnumerable<T> values) => values.GroupBy(value => value).MaxBy(group => group.Count())!.Key;

    private static bool IsSet(JsonNode? node) => node switch
    {
        null => false,
        JsonArray array => array.Count > 0,
        JsonObject map => map.Count > 0,
        _ => node.GetValueKind() switch
        {
            JsonValueKind.False or JsonValueKind.Null => false,
            JsonValueKind.Number => Number(node) != 0,
            _ => node.ToString().Length > 0,
        },
    };

    private double Rank(string key, JsonNode? value) => Number(value) is >= 1 and <= MaxRank and var number && number == Math.Floor(number)
        ? number
        : throw new WeightFileException(_location, $"{key} is {value?.ToJsonString() ?? "null"}, expected a whole number above 0 and up to {MaxRank}.");

    private double Alpha(string key, JsonNode? value) => Number(value) is > 0 and <= LoraReader.MaxAlpha and var number
        ? number
        : throw new WeightFileException(_location, $"{key} is {value?.ToJsonString() ?? "null"}, expected a finite number above 0.");

    // NaN where the value is not a number.
    private static double Number(JsonNode? value) =>
        value?.GetValueKind() == JsonValueKind.Number ? JsonSerializer.SerializeToElement(value).GetDouble() : double.NaN;

    // Patterns in file order: the first that matches wins.
    private List<(Regex Key, double Value)> Patterns(JsonObject json, string key, Func<string, JsonNode?, double> read)
    {
        if (json[key] is null)
        {
            return [];
        }

        if (json[key] is not JsonObject patterns)
        {
            throw new WeightFileException(_location, $"{key} is not a map from patterns to numbers.");
        }

        try
        {
            return [.. patterns.Select(pair => (LoraTargets.Compile(pair.Key, @"^(.*\.)?(", ")$"), read($"{key} of '{pair.Key}'", pair.Value)))];
        }
        catch (ArgumentException exception)
        {
            throw new WeightFileException(_location, $"{key}: {exception.Message}", exception);
        }
    }
}
