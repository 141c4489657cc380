namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The finished runs of one kind, a seed each, beside the base model's of the same seeds.</summary>
internal sealed class Sample
{
    public static readonly Func<CurvePoint, double> Queries = point => point.Queries, Seconds = point => point.Seconds, CpuSeconds = point => point.CpuSeconds;

    private readonly IReadOnlyList<IReadOnlyList<CurvePoint>> _curves;

    /// <param name="name">As charts and tables have it.</param>
    /// <param name="runs">The runs.</param>
    /// <param name="bases">The base model's; a run whose seed has none is left out.</param>
    public Sample(string name, IEnumerable<CellResult> runs, IReadOnlyList<CellResult> bases)
    {
        Name = name;
        Runs = [.. runs.Where(run => bases.Any(start => start.Cell.Seed == run.Cell.Seed)).OrderBy(run => run.Cell.Seed)];
        _curves = [.. Runs.Select(run => (IReadOnlyList<CurvePoint>)[Start(run), .. run.Curve])];

        CurvePoint Start(CellResult run) => new(0, 0, 0, bases.First(start => start.Cell.Seed == run.Cell.Seed).Curve[^1].Reward);
    }

    public string Name { get; }

    public IReadOnlyList<CellResult> Runs { get; }

    public bool IsEmpty => Runs.Count == 0;

    public Interval Of(Func<CellResult, double> number) => Interval.Of(Runs.Select(number));

    /// <summary>A measure's mean over videos of unseen prompts.</summary>
    public Interval Unseen(string measure) => Of(run => run.Unseen[measure]);

    /// <summary>The same of prompts of alignment.</summary>
    public Interval Aligned(string measure) => Of(run => run.Aligned[measure]);

    /// <summary>The reward of unseen prompts at a place of an axis.</summary>
    public Interval At(Func<CurvePoint, double> axis, double place) => Interval.Of(_curves.Select(curve => CurvePoint.At(curve, axis, place)));

    /// <summary>Where the mean over the seeds is at a level for the first time; null: never in these runs.</summary>
    public double? Reaches(Func<CurvePoint, double> axis, double level) => CurvePoint.Reaches(Mean, axis, level);

    /// <summary>The curve: measured points, and where the axis is a time their mean times.</summary>
    public Series Series(Func<CurvePoint, double> axis, string? name = null) =>
        new(name ?? Name, IsEmpty ? [] : [.. Mean.Select((point, at) => (axis(point), Interval.Of(_curves.Select(curve => curve[at].Reward))))]);

    /// <summary>Of the runs that measured at the same places.</summary>
    public IReadOnlyList<CurvePoint> Mean => IsEmpty ? [] :
    [
        .. Enumerable.Range(0, _curves.Min(curve => curve.Count)).Select(at => new CurvePoint(
            _curves[0][at].Queries, _curves.Average(curve => curve[at].Seconds), _curves.Average(curve => curve[at].CpuSeconds),
                _curves.Average(curve => curve[at].Reward))),
    ];
}
