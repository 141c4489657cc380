using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Rewards.VJepa;

/// <summary>Sizes of a V-JEPA network. Keys of its JSON form are those of V-JEPA's training configurations and constructors.</summary>
internal sealed record VJepaConfig
{
    private const double NormEps = 1e-6;

    /// <summary>Heads of the official encoders by their width (vision_transformer.py).</summary>
    private static readonly Dictionary<long, long> s_heads = new() { [192] = 3, [384] = 6, [768] = 12, [1024] = 16, [1280] = 16, [1408] = 16, [1664] = 16 };

    public required long CropSize { get; init; }

    public required long PatchSize { get; init; }

    public required long Frames { get; init; }

    public required long TubeletSize { get; init; }

    public required long Width { get; init; }

    public required long Depth { get; init; }

    public required long Heads { get; init; }

    public required long MlpWidth { get; init; }

    public required long PredictorWidth { get; init; }

    public required long PredictorDepth { get; init; }

    public required long PredictorMlpWidth { get; init; }

    public required long MaskTokens { get; init; }

    /// <summary>Tokens of a clip over time, rows and columns.</summary>
    public (long Frames, long Rows, long Columns) Grid => (Frames / TubeletSize, CropSize / PatchSize, CropSize / PatchSize);

    public long Tokens => Grid.Frames * Grid.Rows * Grid.Columns;

    public EncoderShape Layer => new(Width, MlpWidth, Heads, Activation.Gelu, NormEps) { FusedQkv = true };

    public EncoderShape PredictorLayer => new(PredictorWidth, PredictorMlpWidth, Heads, Activation.Gelu, NormEps) { FusedQkv = true };

    public static double Eps => NormEps;

    public static VJepaConfig FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "use_mask_tokens", "true");
        (long width, long predictor) = (ConfigJson.Integer(json, "embed_dim", 768), ConfigJson.Integer(json, "pred_embed_dim", 384));
        double ratio = ConfigJson.Number(json, "mlp_ratio", 4, maximum: 1000);
        return new VJepaConfig
        {
            CropSize = ConfigJson.Integer(json, "crop_size", 224),
            PatchSize = ConfigJson.Integer(json, "patch_size", 16),
            Frames = ConfigJson.Integer(json, "num_frames", 16),
            TubeletSize = ConfigJson.Integer(json, "tubelet_size", 2),
            Width = width,
            Depth = ConfigJson.Integer(json, "depth", 12, maximum: ConfigJson.MaxLayers),
            Heads = ConfigJson.Integer(json, "num_heads", 12),
            MlpWidth = (long)(width * ratio),
            PredictorWidth = predictor,
            PredictorDepth = ConfigJson.Integer(json, "pred_depth", 6, maximum: ConfigJson.MaxLayers),
            PredictorMlpWidth = (long)(predictor * ConfigJson.Number(json, "pred_mlp_ratio", 4, maximum: 1000)),
            MaskTokens = ConfigJson.Integer(json, "num_mask_tokens", 2),
        };
    }

    /// <summary>Reads sizes from the shapes in a file and compares them with what the options say.</summary>
    /// <param name="file">The official file's tensors.</param>
    /// <param name="options">What the user says; null members are taken from the file.</param>
    /// <exception cref="WeightFileException">The file is not a V-JEPA file, or contradicts the options; the message lists every contradiction.</exception>
    public static VJepaConfig FromFile(IWeightSource file, VJepaOptions options)
    {
        var shapes = file.Entries.Select(entry => (Key: VJepaKeys.Map.MapName(entry.Key), entry.Value.Shape)).Where(entry => entry.Key is not null)
            .ToLookup(entry => entry.Key!, entry => entry.Shape, StringComparer.Ordinal);
        long Size(string key, int rank, int axis)
        {
            IReadOnlyList<long>? shape = shapes[key].FirstOrDefault();
            return shape?.Count == rank
                ? shape[axis]
                : throw new WeightFileException(file.Location, $"is not a V-JEPA file: expected {key} with {rank} axes, " + (shape is null
                    ? "which is not there. A file with encoder, predictor and target_encoder is needed, such as vitl16.pth.tar."
                    : $"got [{string.Join(", ", shape)}]."));
        }

        long Count(string start, string end) => Enumerable.Range(0, int.MaxValue).TakeWhile(i => shapes.Contains($"{start}.{i}{end}")).LongCount();

        const string Patches = "encoder.patch_embed.proj.weight"; // [D, 3, t, p, p]
        (long width, long tubelet, long patch) = (Size(Patches, 5, 0), Size(Patches, 5, 2), Size(Patches, 5, 3));
        long predictor = Size("predictor.predictor_embed.weight", 2, 0);
        long tokens = Size("encoder.pos_embed", 3, 1);
        long heads = options.Heads ?? s_heads.GetValueOrDefault(width);
        long steps = options.Frames / tubelet;
        long side = steps > 0 ? (long)Math.Round(Math.Sqrt((double)tokens / steps)) : 0;
        var config = new VJepaConfig
        {
            CropSize = options.CropSize ?? side * patch,
            PatchSize = patch,
            Frames = options.Frames,
            TubeletSize = tubelet,
            Width = width,
            Depth = Count("encoder.blocks", ".layer_norm1.weight"),
            Heads = Math.Max(heads, 1),
            MlpWidth = Size("encoder.blocks.0.mlp.fc1.weight", 2, 0),
            PredictorWidth = predictor,
            PredictorDepth = Count("predictor.predictor_blocks", ".layer_norm1.weight"),
            PredictorMlpWidth = Size("predictor.predictor_blocks.0.mlp.fc1.weight", 2, 0),
            MaskTokens = Count("predictor.mask_tokens", ""),
        };
        string[] contradictions = [.. config.Contradictions(options, heads, tokens)];
        return contradictions.Length == 0
            ? config
            : throw new WeightFileException(file.Location, $"contradicts the V-JEPA options: {string.Join("; ", contradictions)}.");
    }

    /// <summary>Compares these sizes, read from a file, with what the user says.</summary>
    /// <param name="options">What the user says; null members are not compared.</param>
    /// <param name="heads">The heads that the options or the width give; 0: neither.</param>
    /// <param name="tokens">The rows of the file's position table.</param>
    private IEnumerable<string> Contradictions(VJepaOptions options, long heads, long tokens)
    {
        if (heads == 0)
        {
            yield return $"no official network has {Width} channels, so Heads must be given";
        }
        else if (Width % heads != 0 || PredictorWidth % heads != 0)
        {
            yield return $"{heads} heads do not divide the widths {Width} and {PredictorWidth}";
        }

        (string Name, int? Given, long Found)[] sizes =
        [
            (nameof(options.PatchSize), options.PatchSize, PatchSize), (nameof(options.TubeletSize), options.TubeletSize, TubeletSize),
            (nameof(options.Width), options.Width, Width), (nameof(options.Depth), options.Depth, Depth),
            (nameof(options.PredictorWidth), options.PredictorWidth, PredictorWidth),
            (nameof(options.PredictorDepth), options.PredictorDepth, PredictorDepth),
        ];
        foreach ((string name, int? given, long found) in sizes)
        {
            if (given is { } value && value != found)
            {
                yield return $"{name} {value}, the file has {found}";
            }
        }

        if (Frames % TubeletSize != 0)
        {
            yield return $"Frames {Frames} is not a multiple of the file's {TubeletSize} frames a token";
        }
        else if (Tokens != tokens)
        {
            yield return $"{Frames} frames of {(options.CropSize is { } crop ? $"{crop} x {crop} pixels" : "a square")} are {Tokens} tokens of "
                + $"{TubeletSize} x {PatchSize} x {PatchSize}, the file's position table has {tokens}";
        }
    }
}
