using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// What watches, interrupts and saves a run, and where it resumes. Unlike <see cref="VideoAlignmentOptions"/> none of it decides what is learned.
/// </summary>
public sealed record RunControl
{
    /// <summary>
    /// Receives the figures of every optimizer step, which also go to <c>MLContext.Log</c>; null (default): none. An exception it throws ends <c>Fit</c> with a
    /// <see cref="TrainingStepException"/> that has the weights of that step.
    /// </summary>
    public IProgress<VideoAlignmentProgress>? Progress { get; init; }

    /// <summary>
    /// Ends the run: the current step or measurement is dropped, and <c>Fit</c> returns what it would have returned after the last finished step. An
    /// <see cref="OperationCanceledException"/> while this is not canceled is a failure like any other.
    /// </summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>
    /// A folder for the state of the run, from which <c>Fit</c> with the same folder and options resumes after a cancellation, a failure, a crash or a power
    /// failure; null (default): none. The weights are then, bit for bit, those of a run that was never interrupted.
    /// </summary>
    /// <remarks>
    /// A folder is for one run, and for one process at a time. <c>Fit</c> writes to the log what has changed since the state was made, and refuses what could
    /// not be continued. More <see cref="OptimizerOptions.Steps"/> continue a finished run. The library's rewards save what they remember there; a reward of
    /// your own must score by its arguments alone.
    /// </remarks>
    public string? RunFolder { get; init; }

    /// <summary>
    /// Optimizer steps between two states in <see cref="RunFolder"/>, at least 1; 10 by default. Canceled and finished runs always leave one.
    /// </summary>
    public int StateEvery { get; init; } = 10;

    /// <summary>
    /// A folder for the LoRA weights of every <see cref="CheckpointEvery"/> steps, <c>step-N.safetensors</c> in diffusers' form, each written completely or not
    /// at all; null (default): none. <c>GenerateVideo</c> reads these files, and mixes several.
    /// </summary>
    /// <remarks>The folder is tested before the first step, and also receives the weights of a run that fails.</remarks>
    public string? CheckpointFolder { get; init; }

    /// <summary>Optimizer steps between two files in <see cref="CheckpointFolder"/>, at least 1; 10 by default.</summary>
    public int CheckpointEvery { get; init; } = 10;

    /// <summary>Checks all ranges.</summary>
    /// <param name="parameter">The caller's parameter that the values came by.</param>
    /// <exception cref="ArgumentException">A value is invalid; the message lists every fault.</exception>
    internal void Validate(string parameter = "control")
    {
        var faults = new OptionFaults(nameof(RunControl));
        faults.Require(IsFolder(RunFolder), RunFolder, "the path of a folder, or null");
        faults.Require(StateEvery >= 1, StateEvery, "at least 1");
        faults.Require(IsFolder(CheckpointFolder), CheckpointFolder, "the path of a folder, or null");
        faults.Require(CheckpointEvery >= 1, CheckpointEvery, "at least 1");
        if (faults.All.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', faults.All), parameter);
        }

        static bool IsFolder(string? path) => path is null || (!string.IsNullOrWhiteSpace(path) && path.IndexOfAny(Path.GetInvalidPathChars()) < 0);
    }
}
