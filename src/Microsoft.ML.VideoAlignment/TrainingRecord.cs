using System.Text.Json.Nodes;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What a saved alignment tells of its training. Nothing reads it back; it is for people.</summary>
internal static class TrainingRecord
{
    public static JsonObject Of(AlignmentRun run, AlignmentOutcome outcome)
    {
        VideoAlignmentOptions options = run.Options;
        return new JsonObject
        {
            ["reward"] = run.Reward.Name,
            ["prompts"] = run.Prompts.Count,
            ["stepsDone"] = outcome.Steps,
            ["keptStep"] = outcome.KeptStep,
            ["rewardQueries"] = outcome.RewardQueries,
            ["denoiserEvaluations"] = outcome.DenoiserEvaluations,
            ["steps"] = options.Steps,
            ["batchSize"] = options.BatchSize,
            ["accumulationSteps"] = options.AccumulationSteps,
            ["gradientWindow"] = run.Window.ToString(),
            ["rewardFrames"] = run.Frames.ToString(),
            ["loss"] = run.Loss.ToString(),
            ["loraTargets"] = options.LoraTargets.ToString(),
            ["loraRank"] = options.LoraRank,
            ["loraAlpha"] = options.LoraAlpha,
            ["learningRate"] = options.LearningRate,
            ["weightDecay"] = options.WeightDecay,
            ["beta1"] = options.Beta1,
            ["beta2"] = options.Beta2,
            ["epsilon"] = options.Epsilon,
            ["klWeight"] = options.KlWeight,
            ["emaDecay"] = options.EmaDecay,
            ["maxGradientNorm"] = double.IsFinite(options.MaxGradientNorm) ? options.MaxGradientNorm : null,
            ["libraryVersion"] = typeof(TrainingRecord).Assembly.GetName().Version?.ToString(3),
        };
    }
}
