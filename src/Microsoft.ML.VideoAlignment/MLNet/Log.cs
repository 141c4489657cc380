using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Runs;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// The messages that estimators and transformers write to <c>MLContext.Log</c>. Every message goes through this class: what may contain a prompt, a path or
/// a name that the user gave is marked as the user's data, and only what is made of numbers and of this library's own words is not.
/// </summary>
/// <remarks>ML.NET's progress channels never reach that event, so steps are messages.</remarks>
internal static class Log
{
    /// <summary>Describes what a run is about to do, with the numbers that follow from its options.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="run">The run.</param>
    /// <param name="device">The device that trains.</param>
    /// <param name="threads">libtorch's threads, where they do the work; null: a GPU does.</param>
    public static void Plan(IChannel channel, AlignmentRun run, Device device, ThreadUse? threads)
    {
        VideoAlignmentOptions options = run.Options;
        SamplingSettings sampling = run.Training.Sampling;
        VideoSize size = sampling.Size;
        int layers = run.LoraTargets.Select(run.Model.Denoiser).Count;
        Inform(
            channel,
            $"Aligning {run.Model.Family} ({run.Model.Source}) to '{run.Reward.Name}' on {device}{(threads is null ? "" : $" with {threads.Describe()}")}: "
            + $"{run.Prompts.Count} prompts, videos of {size.Frames} x {size.Height} x {size.Width}, {sampling.Steps} denoising steps, "
            + $"{run.Algorithm}, frames {run.Training.Frames}, guidance {sampling.GuidanceScale}, computing in {run.Training.Precision}, "
            + $"LoRA rank {options.Lora.Rank} alpha {options.Lora.Alpha} in {layers} layers, "
            + $"{options.Optimizer.Steps} optimizer steps of {options.Optimizer.VideosPerStep} videos, "
            + $"learning rate {options.Optimizer.LearningRate} ({options.Optimizer.Schedule}), loss {run.Training.Loss}, seed {run.Seed}.");
        if (threads?.Excess() is { } excess)
        {
            channel.Warning(MessageSensitivity.None, "{0}", excess);
        }
    }

    /// <summary>Reports the figures of a step.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="step">The figures.</param>
    public static void Step(IChannel channel, VideoAlignmentProgress step) => InformPlainly(
        channel,
        $"Step {step.Step}/{step.Steps}: reward {step.Reward:G5}, loss {step.Loss:G5}, gradient norm {step.GradientNorm:G4}, "
        + $"{step.Elapsed.TotalSeconds / step.Step:F2} s a step, {step.Remaining:hh\\:mm\\:ss} left"
        + $"{(step.ValidationReward is { } validation ? $", validation reward {validation:G5}" : "")}{(step.Skipped ? ", skipped: float16 overflowed" : "")}.");

    /// <summary>Says where an interrupted run resumes; writes nothing for a new run.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="folder">The run's folder; null: none.</param>
    /// <param name="steps">The run's optimizer steps.</param>
    /// <param name="path">The folder's path as the user gave it.</param>
    public static void Resume(IChannel channel, RunFolder? folder, int steps, string? path)
    {
        if (folder?.Found is { } state)
        {
            string file = Path.GetFileName(state.Location);
            Inform(channel, state.Step < steps
                ? $"Resuming after step {state.Step} of {steps}, from {file} in RunFolder '{path}'."
                : $"The run in RunFolder '{path}' has done its {state.Step} steps ({file}): it is not trained again. "
                    + "Set more Steps to continue it.");
        }
    }

    /// <summary>Reports what is unusual about the end of a run: an early stop, a cancellation, and the step that was kept.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="outcome">How the run ended.</param>
    /// <param name="options">The run's options.</param>
    public static void End(IChannel channel, AlignmentOutcome outcome, VideoAlignmentOptions options)
    {
        if (outcome.StoppedEarly)
        {
            InformPlainly(
                channel,
                $"Stopped after step {outcome.Steps} of {options.Optimizer.Steps}: the last {options.Validation.EarlyStopPatience} measurements on the "
                + "validation prompts were no better than the best.");
        }
        else if (outcome.Steps < options.Optimizer.Steps)
        {
            channel.Warning(
                MessageSensitivity.None, "Canceled: the transformer has the weights of step {0} of {1}.", outcome.KeptStep ?? outcome.Steps,
                options.Optimizer.Steps);
        }

        if (outcome.KeptStep is { } kept)
        {
            InformPlainly(channel, $"The transformer has the weights of step {kept}, the best on the validation prompts.");
        }
    }

    /// <summary>Warns that the work runs elsewhere, or computes otherwise, than asked for.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="notice">The message, of this library's words alone.</param>
    public static void DeviceNotice(IChannel channel, string notice) => channel.Warning(MessageSensitivity.None, "{0}", notice);

    /// <summary>Warns of a prompt that is cut off.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokens">How many of its last tokens are ignored.</param>
    public static void Truncated(IChannel channel, string prompt, int tokens) =>
        Warn(channel, $"A prompt is longer than the text encoder reads; its last {tokens} tokens are ignored: {Quotation.Shorten(prompt)}");

    /// <summary>Writes warnings that may contain the user's texts, paths and names.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="messages">The warnings, one message each.</param>
    public static void Warn(IChannel channel, params IEnumerable<string> messages)
    {
        foreach (string message in messages)
        {
            channel.Warning(MessageSensitivity.UserData, "{0}", message);
        }
    }

    /// <summary>Writes a message that may contain the user's texts, paths and names.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="message">The message.</param>
    public static void Inform(IChannel channel, string message) => channel.Info(MessageSensitivity.UserData, "{0}", message);

    // Only for what is made of numbers and of this library's words alone.
    private static void InformPlainly(IChannel channel, string message) => channel.Info(MessageSensitivity.None, "{0}", message);
}
