using System.Text.Json.Nodes;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Makes the description of its training that a saved alignment contains. It is for people; nothing reads it back.</summary>
internal static class TrainingRecord
{
    /// <summary>Describes a finished run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="outcome">How it ended.</param>
    public static JsonObject Create(AlignmentRun run, AlignmentOutcome outcome)
    {
        (LoraOptions lora, OptimizerOptions optimizer) = (run.Options.Lora, run.Options.Optimizer);
        return new JsonObject
        {
            ["algorithm"] = new JsonObject { ["name"] = run.Algorithm.Name, ["settings"] = run.Algorithm.Describe() },
            ["reward"] = run.Reward.Name,
            ["prompts"] = run.Prompts.Count,
            ["stepsDone"] = outcome.Steps,
            ["keptStep"] = outcome.KeptStep,
            ["rewardQueries"] = outcome.RewardQueries,
            ["denoiserEvaluations"] = outcome.DenoiserEvaluations,
            ["steps"] = optimizer.Steps,
            ["batchSize"] = optimizer.BatchSize,
            ["accumulationSteps"] = optimizer.AccumulationSteps,
            ["rewardFrames"] = $"{run.Training.Frames}",
            ["loss"] = $"{run.Training.Loss}",
            ["loraTargets"] = $"{run.LoraTargets}",
            ["loraRank"] = lora.Rank,
            ["loraAlpha"] = lora.Alpha,
            ["learningRate"] = optimizer.LearningRate,
            ["schedule"] = optimizer.Schedule.ToString(),
            ["weightDecay"] = optimizer.WeightDecay,
            ["beta1"] = optimizer.Beta1,
            ["beta2"] = optimizer.Beta2,
            ["epsilon"] = optimizer.Epsilon,
            ["optimizerState"] = optimizer.State.ToString(),
            ["emaDecay"] = optimizer.EmaDecay,
            ["maxGradientNorm"] = double.IsFinite(optimizer.MaxGradientNorm) ? optimizer.MaxGradientNorm : null,
            ["libraryVersion"] = typeof(TrainingRecord).Assembly.GetName().Version?.ToString(3),
        };
    }
}
