using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Files;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// What the door says through <c>MLContext.Log</c>. (ML.NET's progress channels never reach that event, so steps are messages.) Every message goes
/// through here: what may hold a prompt, a path, or a name that the user gave is marked as the user's data, and only what is made of numbers and of
/// this library's own words is not.
/// </summary>
internal static class Log
{
    /// <summary>What a run is about to do, with the numbers that follow from its options.</summary>
    /// <param name="channel">The log.</param>
    /// <param name="run">The run.</param>
    /// <param name="device">Where.</param>
    /// <param name="threads">libtorch's threads, where they do the work; null: another device does.</param>
    public static void Plan(IChannel channel, AlignmentRun run, Device device, ThreadUse? threads)
    {
        VideoAlignmentOptions options = run.Options;
        VideoSize size = run.Sampling.Size;
        int layers = options.LoraTargets.Select(run.Model.Denoiser).Count;
        Inform(
            channel,
            $"Aligning {run.Model.Family} ({run.Model.Source}) to '{run.Reward.Name}' on {device}{(threads is null ? "" : $" with {threads.Describe()}")}: {run.Prompts.Count} prompts, "
            + $"videos of {size.Frames} x {size.Height} x {size.Width}, {run.Sampling.Steps} denoising steps, {(options.Algorithm.NeedsRewardGradient ? $"gradient in {run.Window}" : options.Algorithm)}, frames {run.Frames}, "
            + $"guidance {run.Sampling.GuidanceScale}, LoRA rank {options.LoraRank} alpha {options.LoraAlpha} in {layers} layers, "
            + $"{options.Steps} optimizer steps of {options.BatchSize * options.AccumulationSteps} videos, learning rate {options.LearningRate}, {run.Loss}, seed {run.Seed}.");
        if (threads?.Excess() is { } excess)
        {
            channel.Warning(MessageSensitivity.None, "{0}", excess);
        }
    }

    public static void Step(IChannel channel, VideoAlignmentProgress step) => InformPlainly(
        channel,
        $"Step {step.Step}/{step.Steps}: reward {step.Reward:G5}, loss {step.Loss:G5}, gradient norm {step.GradientNorm:G4}, "
        + $"{step.Elapsed.TotalSeconds / step.Step:F2} s a step, {step.Remaining:hh\\:mm\\:ss} left{(step.ValidationEvaluator is { } heldOut ? $", held-out reward {heldOut:G5}" : "")}.");

    /// <summary>Says where a run goes on; nothing where it begins.</summary>
    public static void Resume(IChannel channel, RunFolder? folder, VideoAlignmentOptions options)
    {
        if (folder?.Found is { } state)
        {
            string file = Path.GetFileName(state.Location);
            Inform(channel, state.Step < options.Steps
                ? $"Goes on after step {state.Step} of {options.Steps}, from {file} in RunFolder '{options.RunFolder}'."
                : $"The run in RunFolder '{options.RunFolder}' has done its {state.Step} steps ({file}): it is not trained again. More Steps would go on with it.");
        }
    }

    /// <summary>Says what is not plain about the end: which step's weights, and why no more steps.</summary>
    public static void End(IChannel channel, AlignmentOutcome outcome, VideoAlignmentOptions options)
    {
        if (outcome.StoppedEarly)
        {
            InformPlainly(
                channel,
                $"Stopped after step {outcome.Steps} of {options.Steps}: the last {options.EarlyStopPatience} measurements on held-out prompts "
                + "were no better than the best.");
        }
        else if (outcome.Steps < options.Steps)
        {
            channel.Warning(MessageSensitivity.None, "Canceled: the transformer has the weights of step {0} of {1}.", outcome.KeptStep ?? outcome.Steps, options.Steps);
        }

        if (outcome.KeptStep is { } kept)
        {
            InformPlainly(channel, $"The transformer has the weights of step {kept}, the best on held-out prompts.");
        }
    }

    /// <summary>Where the work is done, if it is not where it was asked for.</summary>
    public static void DeviceNotice(IChannel channel, string notice) => channel.Warning(MessageSensitivity.None, "{0}", notice);

    public static void Truncated(IChannel channel, string prompt, int tokens) =>
        Warn(channel, $"A prompt is longer than the text encoder reads; its last {tokens} tokens are ignored: {Quotation.Shorten(prompt)}");

    /// <summary>Warns of what may hold the user's texts, paths and names.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="messages">One message each.</param>
    public static void Warn(IChannel channel, params IEnumerable<string> messages)
    {
        foreach (string message in messages)
        {
            channel.Warning(MessageSensitivity.UserData, "{0}", message);
        }
    }

    /// <summary>Says what may hold the user's texts, paths and names.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="message">The message.</param>
    public static void Inform(IChannel channel, string message) => channel.Info(MessageSensitivity.UserData, "{0}", message);

    /// <summary>Says what is made of numbers and of this library's words alone.</summary>
    private static void InformPlainly(IChannel channel, string message) => channel.Info(MessageSensitivity.None, "{0}", message);
}
