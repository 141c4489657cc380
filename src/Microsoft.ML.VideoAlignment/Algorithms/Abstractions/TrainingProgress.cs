using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Algorithms;

/// <summary>The progress of a run, over all the processes that it has run in.</summary>
internal sealed class TrainingProgress : IResumable
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _before;
    private TimeSpan _reached;

    /// <summary>The last optimizer step that is done, counted from 1; 0: none is.</summary>
    public int Step { get; set; }

    /// <summary>The last step, while it is not yet validated and reported; null: it is.</summary>
    public TrainingStep? Unreported { get; set; }

    /// <summary>Time spent in the run up to the last call of <see cref="UpdateElapsed"/>.</summary>
    public TimeSpan Elapsed => _reached;

    /// <summary>Updates <see cref="Elapsed"/>; call between steps.</summary>
    public void UpdateElapsed() => _reached = _before + _clock.Elapsed;

    public void Save(StateWriter state)
    {
        state.Write("step", Step);
        state.Write("elapsed", _reached.ToString("c", CultureInfo.InvariantCulture));
        if (Unreported is { } step)
        {
            StateWriter section = state.AddSection("unreported");
            section.Write("reward", step.Reward);
            section.Write("loss", step.Loss);
            section.Write("gradientNorm", step.Update.GradientNorm);
            if (step.Update.Skipped)
            {
                section.Write("skipped", true);
            }
        }
    }

    public void Load(StateReader state)
    {
        Step = (int)state.ReadInteger("step", 1, int.MaxValue);
        _before = TimeSpan.TryParseExact(state.ReadText("elapsed"), "c", CultureInfo.InvariantCulture, out TimeSpan elapsed)
            ? elapsed
            : throw state.CreateFault("elapsed", "is not a time");
        _reached = _before;
        StateReader section = state.OpenSection("unreported");
        Unreported = section.IsEmpty ? null
            : new TrainingStep(
                Step, section.ReadNumber("reward"), section.ReadNumber("loss"),
                new StepUpdate(section.ReadNumber("gradientNorm"), section.Has("skipped") && section.ReadFlag("skipped")), ValidationReward: null, Elapsed);
    }
}
