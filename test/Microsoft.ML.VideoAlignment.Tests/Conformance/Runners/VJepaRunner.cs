using System.Text.Json;
using Microsoft.ML.VideoAlignment.Layers;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>S13, V-JEPA: position tables, masks from given draws, the encoder, the reward.</summary>
public sealed class VJepaRunner : IConformanceRunner
{
    public string Suite => "S13-rewards";

    public IReadOnlyCollection<string> Kinds { get; } = ["vjepa.tables", "vjepa.masks", "vjepa.encoder", "vjepa.reward"];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        Action<ConformanceCase> run = testCase.Kind switch
        {
            "vjepa.tables" => RunTables,
            "vjepa.masks" => RunMasks,
            "vjepa.encoder" => RunEncoder,
            _ => RunReward,
        };
        run(testCase);
    }

    private static void RunTables(ConformanceCase testCase)
    {
        Dictionary<string, Tensor> tables = testCase.Arguments.GetProperty("rows").EnumerateArray().Select((row, i) =>
        {
            long grid = row.GetProperty("grid").GetInt64();
            return (Name: $"table.{i}", Table: SinusoidTable.Make(
                row.GetProperty("dim").GetInt64(), (row.GetProperty("depth").GetInt64(), grid, grid), ConfigJson.Flag(row, "uniform_power", false)));
        }).ToDictionary(pair => pair.Name, pair => pair.Table);
        testCase.CheckOutputsAndGradients(tables, new Dictionary<string, Tensor>());
    }

    private static void RunMasks(ConformanceCase testCase)
    {
        IReadOnlyList<long> crop = testCase.Config.GetProperty("crop_size") is { ValueKind: JsonValueKind.Number } side
            ? [side.GetInt64(), side.GetInt64()]
            : ConfigJson.Integers(testCase.Config, "crop_size", 224, 224);
        long patch = ConfigJson.Integer(testCase.Config, "patch_size", 16);
        var grid = ((int)(ConfigJson.Integer(testCase.Config, "num_frames", 16) / ConfigJson.Integer(testCase.Config, "tubelet_size", 2)),
            (int)(crop[0] / patch), (int)(crop[1] / patch));
        var outputs = new Dictionary<string, Tensor>();
        for (int step = 0; step < testCase.Arguments.GetProperty("steps").GetInt32(); step++)
        {
            var draws = new GivenDraws(testCase[$"in.noise.size.{step}"], testCase[$"in.noise.position.{step}"]);
            var masks = MultiBlockMasks.Draw(Masks(testCase), grid, testCase.Arguments.GetProperty("batch").GetInt32(), draws);
            Assert.That(draws.AllUsed, $"{testCase}: step {step} uses every draw of the reference");
            for (int i = 0; i < masks.Count; i++)
            {
                outputs[$"masks_enc.{step}.{i}"] = masks[i].Context;
                outputs[$"masks_pred.{step}.{i}"] = masks[i].Predicted;
            }
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor>());
    }

    private static void RunEncoder(ConformanceCase testCase)
    {
        var config = VJepaConfig.FromJson(testCase.Config);
        JsonElement weights = testCase.Json.GetProperty("weights")[0];
        using IWeightSource source = WeightFile.Open(testCase.PathOf(weights.GetProperty("file").GetString()!), weights.GetProperty("entry").GetString());
        using var encoder = new VJepaEncoder(config, CaseDevice.Placement);
        WeightLoader.Load(encoder, source, weights.GetProperty("prefix").GetString()!, VJepaKeys.Map);
        Tensor Parameter(string key) => encoder.get_parameter(VJepaKeys.Map.MapName(key)!)!;
        testCase.RequireParameterGradients(Parameter);
        Tensor pixels = testCase.Input("pixels");
        var outputs = new Dictionary<string, Tensor> { ["features"] = encoder.Forward(pixels) };
        if (testCase.Find("in.mask") is { } mask)
        {
            outputs["masked_features"] = encoder.Forward(pixels, mask);
        }

        if (testCase.Find("out.position_table") is not null)
        {
            outputs["position_table"] =
                encoder.ResizePositions((pixels.shape[2] / config.TubeletSize, pixels.shape[3] / config.PatchSize, pixels.shape[4] / config.PatchSize));
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["pixels"] = pixels }, Parameter);
    }

    private static void RunReward(ConformanceCase testCase)
    {
        JsonElement arguments = testCase.Arguments;
        Assert.That(ConfigJson.Find(arguments, "reg_coeff")?.GetDouble() ?? 0, Is.Zero, $"{testCase}: the variance regulariser is not part of the reward");
        VJepaOptions options = Options(testCase);
        using VJepaReward reward = Load(testCase, options);
        testCase.RequireParameterGradients(reward.Weight);
        (Tensor frames, Tensor clips, VJepaStages stages) = Score(testCase, reward, options);
        var outputs =
            new Dictionary<string, Tensor> { ["preprocessed"] = clips, ["score"] = stages.Score, ["loss"] = RewardLoss.Maximize().Compute(stages.Score) };
        for (int i = 0; i < stages.Context.Count; i++)
        {
            outputs[$"context_features.{i}"] = stages.Context[i];
            outputs[$"predicted_features.{i}"] = stages.Predicted[i];
            outputs[$"target_features.{i}"] = stages.Target[i];
        }

        testCase.CheckOutputsAndGradients(outputs, new Dictionary<string, Tensor> { ["frames"] = frames }, reward.Weight);

        // Each of these has a graph of its own.
        if (testCase.Find("grad.loss.in.frames") is not null)
        {
            (Tensor again, _, VJepaStages plain) = Score(testCase, reward, options);
            RewardLoss.Maximize().Compute(plain.Score).backward();
            testCase.CheckGradient("grad.loss.in.frames", again.grad);
        }

        if (testCase.Find("grad.full.in.frames") is not null)
        {
            using VJepaReward full = Load(testCase, options with { TargetGradient = true });
            (Tensor again, _, VJepaStages both) = Score(testCase, full, options);
            (both.Score * testCase["in.cotangent.score"]).sum().backward();
            testCase.CheckGradient("grad.full.in.frames", again.grad);
        }
    }

    private static (Tensor Frames, Tensor Clips, VJepaStages Stages) Score(ConformanceCase testCase, VJepaReward reward, VJepaOptions options)
    {
        Tensor frames = testCase["in.frames"].clone().requires_grad_(true);
        Tensor clips = reward.ToSegments(new PreprocessedFrames(frames));
        var masks = options.Masks.Select(
            (_, i) => (testCase[$"in.masks_enc.{i}"].to_type(ScalarType.Int64), testCase[$"in.masks_pred.{i}"].to_type(ScalarType.Int64))).ToList();
        return (frames, clips, reward.RunStages(clips, masks));
    }

    private static VJepaReward Load(ConformanceCase testCase, VJepaOptions options) => VJepaReward.FromFile(
        testCase.PathOf(testCase.Json.GetProperty("weights")[0].GetProperty("file").GetString()!), options, CaseDevice.Placement,
            ConfigJson.Flag(testCase.Arguments, "clamp", true));

    private static VJepaOptions Options(ConformanceCase testCase)
    {
        JsonElement config = testCase.Config;
        return new VJepaOptions
        {
            CropSize = (int)ConfigJson.Integer(config, "crop_size", 224),
            PatchSize = (int)ConfigJson.Integer(config, "patch_size", 16),
            Frames = (int)ConfigJson.Integer(config, "num_frames", 16),
            TubeletSize = (int)ConfigJson.Integer(config, "tubelet_size", 2),
            Width = (int)ConfigJson.Integer(config, "embed_dim", 768),
            Depth = (int)ConfigJson.Integer(config, "depth", 12),
            Heads = (int)ConfigJson.Integer(config, "num_heads", 12),
            PredictorWidth = (int)ConfigJson.Integer(config, "pred_embed_dim", 384),
            PredictorDepth = (int)ConfigJson.Integer(config, "pred_depth", 6),
            LossExponent = ConfigJson.Number(testCase.Arguments, "loss_exp", 1),
            TargetGradient = false, // the reference's own gradients; those named "full" go through the target too
            Masks = Masks(testCase),
        };
    }

    /// <summary>Absent keys: the reference's defaults (multiblock3d.py).</summary>
    private static VJepaMask[] Masks(ConformanceCase testCase) => [.. testCase.Config.GetProperty("masks").EnumerateArray().Select(mask => new VJepaMask
    {
        Blocks = (int)ConfigJson.Integer(mask, "num_blocks", 1),
        AspectRatio = Range(mask, "aspect_ratio", (0.3, 3)),
        SpatialScale = Range(mask, "spatial_scale", (0.2, 0.8)),
        TemporalScale = Range(mask, "temporal_scale", (1, 1)),
        MaxTemporalKeep = ConfigJson.Number(mask, "max_temporal_keep", 1),
        MaxKeep = ConfigJson.Find(mask, "max_keep") is { } most ? most.GetInt32() : null,
    })];

    private static (double Low, double High) Range(JsonElement json, string key, (double Low, double High) fallback) =>
        ConfigJson.Find(json, key) is { } pair ? (pair[0].GetDouble(), pair[1].GetDouble()) : fallback;

    private sealed class GivenDraws(Tensor sizes, Tensor positions) : IMaskDraws
    {
        private int _size;
        private int _position;

        public bool AllUsed => _size == sizes.shape[0] && _position == positions.shape[0];

        public (float Time, float Space, float Aspect) Size()
        {
            float[] row = sizes[_size++].cpu().data<float>().ToArray();
            return (row[0], row[1], row[2]);
        }

        public (int Top, int Left, int Start) Position(int tops, int lefts, int starts)
        {
            long[] row = positions[_position++].to_type(ScalarType.Int64).cpu().data<long>().ToArray();
            Assert.That(row[0] < tops && row[1] < lefts && row[2] < starts, "a draw within the bounds");
            return ((int)row[0], (int)row[1], (int)row[2]);
        }
    }
}
