using Microsoft.ML.VideoAlignment.Algorithms;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// A training run failed: a score, loss or gradient was NaN or infinite, or the reward, a measurement, a checkpoint or a callback threw. The weights that the
/// run would have returned after its last finished step are in the file <see cref="LastGoodWeights"/> and in this exception.
/// </summary>
public sealed class TrainingStepException : Exception
{
    private readonly byte[]? _adapters;
    private readonly string _where;

    private TrainingStepException(int step, string problem, Exception? innerException, RescuedAdapters? rescued, string? path, string where)
        : base($"Training step {step}: {problem} {where}", innerException) =>
        (Step, LastGoodStep, LastGoodWeights, _adapters, _where) = (step, rescued?.Step ?? 0, path, rescued?.Content, where);

    /// <summary>The optimizer step under way when the run failed, counted from 1.</summary>
    public int Step { get; }

    /// <summary>The optimizer step whose weights were saved, counted from 1; 0: no step was finished, they are untrained.</summary>
    public int LastGoodStep { get; }

    /// <summary>
    /// The path of a file with the weights of <see cref="LastGoodStep"/>, as <c>SaveAdapters</c> writes them by default; null: none could be written, and the
    /// message says why.
    /// </summary>
    public string? LastGoodWeights { get; }

    /// <summary>Writes the weights of <see cref="LastGoodStep"/> in diffusers' form: completely, or not at all.</summary>
    /// <param name="path">The file; what is there is replaced.</param>
    /// <exception cref="InvalidOperationException">There are no weights: reading them from the device failed as well. The message says why.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveAdapters(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] adapters = _adapters ?? throw new InvalidOperationException($"There are no weights to save. {_where}");
        AtomicFile.Write(path, stream => stream.Write(adapters));
    }

    /// <summary>Saves the weights where that is possible, and makes the exception that says what happened and where they are.</summary>
    /// <param name="step">The optimizer step under way, counted from 1.</param>
    /// <param name="problem">What happened, a sentence.</param>
    /// <param name="cause">What was thrown; null: a number was not finite.</param>
    /// <param name="finished">The weights of the last finished step.</param>
    /// <param name="folders">Folders for the file, in order of preference (<see cref="RecoveryFile"/>).</param>
    internal static TrainingStepException Rescuing(int step, string problem, Exception? cause, FinishedAdapters finished, IReadOnlyList<string> folders)
    {
        RescuedAdapters rescued;
        try
        {
            rescued = finished.Rescue();
        }
        catch (Exception second)
        {
            return new TrainingStepException(
                step, problem, cause, rescued: null, path: null, $"The weights are lost: saving them failed too ({second.GetType().Name}: {second.Message}).");
        }

        (string? path, string? trouble) = RecoveryFile.Write(rescued, folders);
        string where = path is not null
            ? $"{rescued.Name} are in '{path}'."
            : $"{rescued.Name} could not be written to a file ({trouble}); "
                + $"this exception holds them: call its {nameof(SaveAdapters)} with a path that can be written.";
        return new TrainingStepException(step, problem, cause, rescued, path, where);
    }
}
