namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The runs that Table 1 and Figure 7 read: every method on every reward.</summary>
internal sealed class MethodComparison
{
    private readonly Dictionary<(string Method, string Reward), Sample> _samples = [];

    internal MethodComparison(IReadOnlyList<CellResult> results)
    {
        Results = results;
        foreach (string reward in PaperRewards.Trained)
        {
            CellResult[] bases = [.. results.Where(run => run.Cell.Method == Methods.Base && run.Cell.Reward == reward)];
            foreach (string method in Methods.All)
            {
                _samples[(method, reward)] =
                    new Sample(Methods.Title(method), results.Where(run => run.Cell.Method == method && run.Cell.Reward == reward), bases);
            }
        }
    }

    public IReadOnlyList<CellResult> Results { get; }

    public Sample this[string method, string reward] => _samples[(method, reward)];

    /// <summary>Seed by seed, so that a campaign that was stopped has as many seeds of each.</summary>
    public static MethodComparison Run(ExperimentContext desk) => new(desk.Campaign.Complete(
        from seed in desk.Scale.SeedList
        from reward in PaperRewards.Trained
        from method in Methods.All
        select desk.Scale.Cell(method, reward, seed, desk.Rates.Of(method, reward))));

    /// <summary>DDPO with many more queries on one reward, to see what VADER's level costs it.</summary>
    public Sample Longer(ExperimentContext desk, string reward)
    {
        Scale scale = desk.Scale;
        IReadOnlyList<CellResult> runs = desk.Campaign.Complete(Enumerable.Range(1, scale.LongSeeds).Select(seed =>
            scale.Cell(Methods.Ddpo, reward, seed, desk.Rates.Of(Methods.Ddpo, reward)) with
            {
                Queries = scale.LongQueries,
                MeasureEvery = scale.Queries,
                Videos = 0
            }));
        return new Sample(Methods.Title(Methods.Ddpo) + ", longer", runs, this[Methods.Base, reward].Runs);
    }

    /// <summary>The methods that win more aesthetic reward at a rate where videos stop following their prompts, at that rate.</summary>
    public IReadOnlyList<Sample> Unrestrained(ExperimentContext desk)
    {
        var samples = new List<Sample>();
        foreach (string method in Methods.Trained)
        {
            if (desk.Rates.HighestOf(method, PaperRewards.Aesthetic) is { } rate)
            {
                IReadOnlyList<CellResult> runs =
                    desk.Campaign.Complete(desk.Scale.SeedList.Select(seed => desk.Scale.Cell(method, PaperRewards.Aesthetic, seed, rate)));
                samples.Add(new Sample(FormattableString.Invariant($"{Methods.Title(method)}, learning rate {rate:0e+0}"), runs,
                    this[Methods.Base, PaperRewards.Aesthetic].Runs));
            }
        }

        return [.. samples.Where(sample => !sample.IsEmpty)];
    }

    /// <summary>The samples of the trained methods on a reward that have runs.</summary>
    public IReadOnlyList<Sample> Trained(string reward) => [.. Methods.Trained.Select(method => this[method, reward]).Where(sample => !sample.IsEmpty)];
}
