using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Makes the description of its training that a saved alignment contains. It is for people; nothing reads it back.</summary>
internal static class TrainingRecord
{
    private static readonly JsonSerializerOptions s_camelCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Describes a finished run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="outcome">How it ended.</param>
    public static JsonObject Create(AlignmentRun run, AlignmentOutcome outcome)
    {
        VideoAlignmentOptions options = run.Options;
        return new JsonObject
        {
            ["algorithm"] = Algorithm(options.Algorithm),
            ["reward"] = run.Reward.Name,
            ["prompts"] = run.Prompts.Count,
            ["stepsDone"] = outcome.Steps,
            ["keptStep"] = outcome.KeptStep,
            ["rewardQueries"] = outcome.RewardQueries,
            ["denoiserEvaluations"] = outcome.DenoiserEvaluations,
            ["steps"] = options.Steps,
            ["batchSize"] = options.BatchSize,
            ["accumulationSteps"] = options.AccumulationSteps,
            ["gradientWindow"] = options.Algorithm.NeedsRewardGradient ? $"{run.Window}" : null,
            ["rewardFrames"] = $"{run.Frames}",
            ["loss"] = $"{run.Loss}",
            ["loraTargets"] = $"{options.LoraTargetsFor(run.Model)}",
            ["loraRank"] = options.LoraRank,
            ["loraAlpha"] = options.LoraAlpha,
            ["learningRate"] = options.LearningRate,
            ["weightDecay"] = options.WeightDecay,
            ["beta1"] = options.Beta1,
            ["beta2"] = options.Beta2,
            ["epsilon"] = options.Epsilon,
            ["optimizerState"] = options.OptimizerState.ToString(),
            ["klWeight"] = options.KlWeight,
            ["emaDecay"] = options.EmaDecay,
            ["maxGradientNorm"] = double.IsFinite(options.MaxGradientNorm) ? options.MaxGradientNorm : null,
            ["libraryVersion"] = typeof(TrainingRecord).Assembly.GetName().Version?.ToString(3),
        };
    }

    private static JsonObject Algorithm(AlignmentAlgorithm algorithm) => algorithm switch
    {
        AlignmentAlgorithm.Policy(var ddpo) =>
            new JsonObject { ["name"] = nameof(AlignmentAlgorithm.Ddpo), ["settings"] = JsonSerializer.SerializeToNode(ddpo, s_camelCase) },
        AlignmentAlgorithm.Preferences(var dpo) =>
            new JsonObject { ["name"] = nameof(AlignmentAlgorithm.DiffusionDpo), ["settings"] = JsonSerializer.SerializeToNode(dpo, s_camelCase) },
        _ => new JsonObject { ["name"] = nameof(AlignmentAlgorithm.RewardGradient) },
    };
}
