namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>The figures of one finished optimizer step.</summary>
/// <param name="Step">The step, counted from 1.</param>
/// <param name="Reward">Mean score over the step's videos.</param>
/// <param name="Loss">Mean loss over the micro-batches.</param>
/// <param name="Update">What became of the gradient.</param>
/// <param name="ValidationReward">Mean score on the validation prompts; null: this step did not measure it.</param>
/// <param name="Elapsed">Time since the run began.</param>
internal readonly record struct TrainingStep(int Step, double Reward, double Loss, StepUpdate Update, double? ValidationReward, TimeSpan Elapsed);
