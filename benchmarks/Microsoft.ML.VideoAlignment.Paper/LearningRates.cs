using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// A small search, the same for every method: each rate of the list, one seed that the comparison does not use, and the reward on prompts of alignment. Of the
/// rates whose videos still follow their prompts the one that gives the highest aesthetic reward is used for it, for the preference and for all sizes: by the
/// reward alone the rate would win that over-optimises it most. The action has a search of its own, in which the prompts are no bound: it is taught against
/// what they say.
/// </summary>
internal sealed class LearningRates
{
    private const int Seed = 101;

    /// <summary>Least text similarity of a rate that is used, as a share of the base model's.</summary>
    private const double Following = 0.9;

    private readonly Scale _scale;
    private readonly double _leastText;

    internal LearningRates(IReadOnlyList<CellResult> runs, Scale scale)
    {
        (Runs, _scale) = (runs, scale);
        _leastText = Following * runs.FirstOrDefault(run => run.Cell.Method == Methods.Base)?.Aligned[PaperRewards.TextSimilarity] ?? double.NegativeInfinity;
    }

    public IReadOnlyList<CellResult> Runs { get; }

    public static LearningRates Search(ExperimentContext desk)
    {
        Scale scale = desk.Scale;
        IEnumerable<ExperimentConfig> cells =
            from reward in new[] { PaperRewards.Aesthetic, PaperRewards.Action }
            from method in Methods.Trained
            from rate in scale.Rates
            select scale.Cell(method, reward, Seed, rate) with { Queries = scale.SearchQueries, MeasureEvery = scale.SearchQueries };
        return new LearningRates(desk.Campaign.Complete(cells.Prepend(scale.Cell(Methods.Base, PaperRewards.Aesthetic, Seed, 0))), scale);
    }

    /// <summary>
    /// The rate that a method is compared with: where no rate follows the prompts the lowest, where nothing was searched yet the middle of the list.
    /// </summary>
    public double Of(string method, string reward) => RunsOf(method, reward) switch
    {
        [] => _scale.Rates[_scale.Rates.Count / 2],
        var runs when Best(runs.Where(Follows)) is { } best => best,
        _ => _scale.Rates[0],
    };

    /// <summary>The rate of the highest reward, whatever becomes of the prompts; null where that is <see cref="Of"/>, or nothing was searched yet.</summary>
    public double? HighestOf(string method, string reward) => Best(RunsOf(method, reward)) is { } highest && highest != Of(method, reward) ? highest : null;

    /// <summary>The search as tables of a page.</summary>
    public void Write(Page page)
    {
        page.Head("Learning rates").Say(
            $"Aesthetic reward of videos of prompts of alignment after {_scale.SearchQueries} queries, one seed that the tables do not use; behind it the "
                + $"text similarity of the same videos. A rate whose videos do not follow their prompts, with a text similarity below {_leastText:0.00}, nine "
                + $"tenths of the base model's, is struck out; of the others the best of each method is used, for the preference and at other sizes too.");
        WriteTable(page, PaperRewards.Aesthetic);
        page.Say($"The same of the action, which is taught against what prompts say, so that they are no bound:");
        WriteTable(page, PaperRewards.Action);
    }

    private static double? Best(IEnumerable<CellResult> runs) => runs.MaxBy(run => run.Aligned[run.Cell.Reward])?.Cell.LearningRate;

    private void WriteTable(Page page, string reward)
    {
        page.Table(["learning rate", .. Methods.Trained.Select(Methods.Title)], _scale.Rates.Select(rate => (IReadOnlyList<string>)
        [
            rate.ToString("0e+0", CultureInfo.InvariantCulture),
            .. Methods.Trained.Select(method =>
                RunsOf(method, reward).FirstOrDefault(run => run.Cell.LearningRate == rate) is not { } run ? "-"
                : Score(run, chosen: rate == Of(method, reward))),
        ]));

        string[] edges = [.. Methods.Trained.Where(method => _scale.Rates.Count > 1 && RunsOf(method, reward).Count > 0
            && Of(method, reward) == _scale.Rates[^1]).Select(Methods.Title)];
        if (edges.Length > 0)
        {
            page.Say($"The best rate is the highest of the list for {string.Join(" and ", edges)}: a higher one might do better still.");
        }

        string Score(CellResult run, bool chosen)
        {
            string score = run.Aligned[reward].ToString("0.00", CultureInfo.InvariantCulture);
            string text = run.Aligned[PaperRewards.TextSimilarity].ToString("0.00", CultureInfo.InvariantCulture);
            return $"{(chosen ? $"**{score}**" : Follows(run) ? score : $"~~{score}~~")}, {text}";
        }
    }

    /// <summary>The action's for it, the aesthetic reward's for all others.</summary>
    private IReadOnlyList<CellResult> RunsOf(string method, string reward) =>
        [.. Runs.Where(run => run.Cell.Method == method && run.Cell.Reward == PaperRewards.Action == (reward == PaperRewards.Action))];

    private bool Follows(CellResult run) => run.Cell.Reward == PaperRewards.Action || run.Aligned[PaperRewards.TextSimilarity] >= _leastText;
}
