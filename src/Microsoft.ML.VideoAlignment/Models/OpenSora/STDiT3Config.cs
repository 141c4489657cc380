using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>The config.json of Open-Sora 1.2's <c>STDiT3</c>; defaults are the reference's, which are those of the published STDiT3-XL/2.</summary>
internal sealed record STDiT3Config
{
    public long InChannels { get; init; } = 4;

    /// <summary>Latent frames, rows and columns per token.</summary>
    public (long Frames, long Rows, long Columns) PatchSize { get; init; } = (1, 2, 2);

    public long HiddenSize { get; init; } = 1152;

    /// <summary>Pairs of one spatial and one temporal block.</summary>
    public long Depth { get; init; } = 28;

    public long Heads { get; init; } = 16;

    /// <summary>Inner width of the feed-forward = this times the hidden size, rounded down.</summary>
    public double MlpRatio { get; init; } = 4;

    /// <summary>Whether the network puts out twice its input's channels; samplers use the first half.</summary>
    public bool PredictsSigma { get; init; } = true;

    /// <summary>Width of the text encoder's states.</summary>
    public long CaptionChannels { get; init; } = 4096;

    /// <summary>Tokens of the text, padding included: rows of the learned null text.</summary>
    public long MaxTokens { get; init; } = 300;

    /// <summary>Whether queries and keys of self-attention are normalized per head.</summary>
    public bool NormsQueriesAndKeys { get; init; } = true;

    /// <summary>Side of the square, in pixels, at which positions have scale 1.</summary>
    public double InputSquareSize { get; init; } = 512;

    public long OutChannels => PredictsSigma ? 2 * InChannels : InChannels;

    public long HeadSize => HiddenSize / Heads;

    /// <summary>Inner width of the feed-forward.</summary>
    public long MlpWidth => (long)(HiddenSize * MlpRatio);

    /// <summary>Reads and checks a config.json.</summary>
    /// <param name="json">The content of the file.</param>
    /// <exception cref="InvalidDataException">A value has the wrong type or range.</exception>
    /// <exception cref="NotSupportedException">An option is not part of this network.</exception>
    public static STDiT3Config FromJson(JsonElement json)
    {
        ConfigJson.RequireOnly(json, "model_type", "\"STDiT3\"");
        ConfigJson.RequireOnly(json, "skip_y_embedder", "false");
        var defaults = new STDiT3Config();
        IReadOnlyList<long> patch = ConfigJson.Integers(json, "patch_size", defaults.PatchSize.Frames, defaults.PatchSize.Rows, defaults.PatchSize.Columns);
        if (patch.Count != 3)
        {
            throw new InvalidDataException($"config: patch_size: expected [frames, rows, columns], got {patch.Count} numbers.");
        }

        var config = new STDiT3Config
        {
            InChannels = ConfigJson.Integer(json, "in_channels", defaults.InChannels),
            PatchSize = (patch[0], patch[1], patch[2]),
            HiddenSize = ConfigJson.Integer(json, "hidden_size", defaults.HiddenSize),
            Depth = ConfigJson.Integer(json, "depth", defaults.Depth, maximum: ConfigJson.MaxLayers),
            Heads = ConfigJson.Integer(json, "num_heads", defaults.Heads),
            MlpRatio = ConfigJson.Number(json, "mlp_ratio", defaults.MlpRatio, maximum: 1000),
            PredictsSigma = ConfigJson.Flag(json, "pred_sigma", defaults.PredictsSigma),
            CaptionChannels = ConfigJson.Integer(json, "caption_channels", defaults.CaptionChannels),
            MaxTokens = ConfigJson.Integer(json, "model_max_length", defaults.MaxTokens),
            NormsQueriesAndKeys = ConfigJson.Flag(json, "qk_norm", defaults.NormsQueriesAndKeys),
            InputSquareSize = ConfigJson.Number(json, "input_sq_size", defaults.InputSquareSize),
        };
        config.Validate();
        return config;
    }

    public void Validate()
    {
        Require(Math.Min(PatchSize.Frames, Math.Min(PatchSize.Rows, PatchSize.Columns)) > 0, "patch_size", PatchSize, "three positive numbers");
        Require(
            Heads > 0 && HiddenSize % Heads == 0 && HeadSize % 2 == 0, "num_heads", Heads,
            $"a divisor of hidden_size {HiddenSize} that leaves heads of an even size (rotary positions rotate pairs)");
        Require(HiddenSize % 4 == 0, "hidden_size", HiddenSize, "a multiple of 4 (sines and cosines of two axes)");
        Require(Depth > 0, "depth", Depth, "at least 1");
        Require(MlpWidth > 0, "mlp_ratio", MlpRatio, "a positive number");
        Require(InChannels > 0, "in_channels", InChannels, "at least 1");
        Require(CaptionChannels > 0, "caption_channels", CaptionChannels, "at least 1");
        Require(MaxTokens > 0, "model_max_length", MaxTokens, "at least 1");
        Require(InputSquareSize > 0, "input_sq_size", InputSquareSize, "a positive number");
    }

    private static void Require(bool holds, string key, object got, string expected)
    {
        if (!holds)
        {
            throw new InvalidDataException(FormattableString.Invariant($"config: {key}: expected {expected}, got {got}."));
        }
    }
}
