using Microsoft.ML.VideoAlignment.Lora;
using Microsoft.ML.VideoAlignment.Pipelines;

namespace Microsoft.ML.VideoAlignment.Training;

/// <summary>The mean reward on prompts that are never trained on, always on the same seeds, so that two measurements differ by the weights alone.</summary>
/// <param name="model">Generates.</param>
/// <param name="reward">Scores.</param>
/// <param name="settings">Whose held-out prompts are measured.</param>
/// <param name="steps">Denoising steps of a video.</param>
/// <param name="conditions">What was encoded before.</param>
/// <param name="work">Counts what a measurement costs.</param>
internal sealed class HeldOutReward(VideoDiffusionModel model, VideoReward reward, TrainingSettings settings, int steps, ConditionCache conditions, WorkCount work)
{
    /// <summary>Whether this step is one that measures.</summary>
    public bool IsDue(int step) => settings.HeldOutPrompts.Count > 0 && (step % settings.HeldOutEvery == 0 || step == settings.Steps);

    /// <summary>In the reward's own units.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing was measured.</exception>
    public double Measure(LoraAdapters adapters, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        var generator = new VideoGenerator(model, settings.Sampling, conditions);
        double total = 0;
        foreach (VideoPrompt[] prompts in settings.HeldOutPrompts.Chunk(settings.BatchSize))
        {
            ulong[] seeds = [.. prompts.Select((_, row) => settings.Seed + (ulong)row + 1)];
            using Tensor frames = generator.Generate(prompts, seeds, adapters, cancellation);
            using (no_grad())
            {
                total += reward.Score(frames, [.. prompts.Select(prompt => model.RewardText(prompt.Text, settings.Sampling.SegmentCount))]).sum().ToDouble();
            }

            work.Denoised((long)prompts.Length * steps * settings.Sampling.SegmentCount * settings.Sampling.Branches(model));
            work.Measured(prompts.Length);
        }

        return total / settings.HeldOutPrompts.Count;
    }
}
