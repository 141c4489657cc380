using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// A small search, the same for every method: each rate of the list, the aesthetic reward, one seed that the comparison does not use, fewer films; the
/// rate that gives the highest reward on prompts of alignment is used for all rewards and sizes.
/// </summary>
internal sealed class LearningRates
{
    private const int Seed = 101;

    private readonly IReadOnlyList<CellResult> _runs;

    private LearningRates(IReadOnlyList<CellResult> runs, Scale scale) => (_runs, Scale) = (runs, scale);

    private Scale Scale { get; }

    public IReadOnlyList<CellResult> Runs => _runs;

    public static LearningRates Search(Desk desk)
    {
        Scale scale = desk.Scale;
        IEnumerable<Cell> cells = Methods.Trained.SelectMany(method => scale.Rates.Select(rate => scale.Cell(method, PaperRewards.Aesthetic, Seed, rate) with
        {
            Queries = scale.SearchQueries,
            MeasureEvery = scale.SearchQueries,
        }));
        return new LearningRates(desk.Campaign.Complete(cells), scale);
    }

    /// <summary>Where nothing was searched yet, the middle of the list.</summary>
    public double Of(string method) =>
        _runs.Where(run => run.Cell.Method == method).MaxBy(run => run.Aligned[PaperRewards.Aesthetic])?.Cell.LearningRate ?? Scale.Rates[Scale.Rates.Count / 2];

    /// <summary>The search as a table of a page.</summary>
    public void Write(Page page)
    {
        page.Head("Learning rates").Say(
            $"Aesthetic reward of films of prompts of alignment after {Scale.SearchQueries} queries, one seed that the tables do not use; the best rate of each method is used everywhere. In brackets: not chosen. Behind it the text similarity of the same films, which the choice does not look at.");
        page.Table(["learning rate", .. Methods.Trained.Select(Methods.Title)], Scale.Rates.Select(rate => (IReadOnlyList<string>)
        [
            rate.ToString("0e+0", CultureInfo.InvariantCulture),
            .. Methods.Trained.Select(method =>
                _runs.FirstOrDefault(run => run.Cell.Method == method && run.Cell.LearningRate == rate) is not { } run ? "-"
                : Score(run, chosen: rate == Of(method))),
        ]));

        string[] edges = [.. Methods.Trained.Where(method => Scale.Rates.Count > 1 && Of(method) == Scale.Rates[^1] && _runs.Any(run => run.Cell.Method == method)).Select(Methods.Title)];
        if (edges.Length > 0)
        {
            page.Say($"The best rate is the highest of the list for {string.Join(" and ", edges)}: a higher one might do better still.");
        }

        static string Score(CellResult run, bool chosen)
        {
            string score = run.Aligned[PaperRewards.Aesthetic].ToString("0.00", CultureInfo.InvariantCulture);
            string text = run.Aligned[PaperRewards.TextSimilarity].ToString("0.00", CultureInfo.InvariantCulture);
            return $"{(chosen ? $"**{score}**" : $"({score})")}, {text}";
        }
    }
}
