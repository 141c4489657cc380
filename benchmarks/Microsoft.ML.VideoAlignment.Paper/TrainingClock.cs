namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// Listens to a run and keeps its curve, with the time of training alone. Steps that also measure unseen videos, and the first one, which also compiles
/// code, count as long as the median of the others of their kind: an algorithm that generates videos once and takes several optimizer steps on them has
/// steps that begin a cycle and steps that do not.
/// </summary>
internal sealed class TrainingClock(int cycle) : IProgress<VideoAlignmentProgress>
{
    private readonly List<Step> _steps = [];
    private readonly TimeSpan _cpuAtStart = Environment.CpuUsage.TotalTime;

    public void Report(VideoAlignmentProgress value) => Add(
        value.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - _cpuAtStart).TotalSeconds, (int)(value.RewardQueries - value.ValidationQueries),
            value.ValidationReward);

    /// <summary>One more step was done.</summary>
    /// <param name="elapsed">Seconds since the run began.</param>
    /// <param name="cpu">Seconds of CPU time since then.</param>
    /// <param name="queries">Videos of training scored since then.</param>
    /// <param name="validation">The reward of unseen prompts, if the step measured it.</param>
    internal void Add(double elapsed, double cpu, int queries, double? validation)
    {
        Step before = _steps.Count > 0 ? _steps[^1] : default;
        _steps.Add(new Step(elapsed, cpu, elapsed - before.Elapsed, cpu - before.Cpu, queries, validation));
    }

    /// <summary>The points at which unseen videos were measured.</summary>
    public IReadOnlyList<CurvePoint> Curve()
    {
        double[] seconds = Alone(step => step.Took), cpu = Alone(step => step.CpuTook);
        return [.. _steps.Index().Where(step => step.Item.Validation is not null).Select(step => new CurvePoint(
            step.Item.Queries, Math.Round(seconds[..(step.Index + 1)].Sum(), 3), Math.Round(cpu[..(step.Index + 1)].Sum(), 3),
                Math.Round(step.Item.Validation!.Value, 6)))];
    }

    /// <summary>Time of training, measurements taken out.</summary>
    public (double Seconds, double CpuSeconds) Total() => (Alone(step => step.Took).Sum(), Alone(step => step.CpuTook).Sum());

    private double[] Alone(Func<Step, double> took) => [.. _steps.Select((step, at) => Disturbed(at) ? Usual(Begins(at), took) ?? took(step) : took(step))];

    private bool Begins(int at) => at % cycle == 0;

    private bool Disturbed(int at) => at == 0 || _steps[at].Validation is not null;

    private double? Usual(bool begins, Func<Step, double> took)
    {
        double[] others = [.. _steps.Where((_, at) => Begins(at) == begins && !Disturbed(at)).Select(took).Order()];
        return others.Length == 0 ? null : (others[(others.Length - 1) / 2] + others[others.Length / 2]) / 2;
    }

    private readonly record struct Step(double Elapsed, double Cpu, double Took, double CpuTook, int Queries, double? Validation);
}
