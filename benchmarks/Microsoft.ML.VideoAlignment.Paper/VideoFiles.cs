using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Videos of a comparison: a row for each method, a column for each unseen prompt, all of one seed.</summary>
internal static class VideoFiles
{
    private const int Shown = 6, Scale = 3;

    public static void WriteTable1(Page page, ExperimentContext desk, MethodComparison contest, IReadOnlyList<Sample> unrestrained)
    {
        page.Head("Videos").Say($"Unseen prompts, the videos of seed 1. Rows from above: {string.Join(", ", Methods.All.Select(Methods.Title))}; where a "
            + $"method has no run yet its row is missing.");
        foreach (string reward in PaperRewards.Trained)
        {
            IEnumerable<Sample> samples = Methods.All.Select(method => contest[method, reward]).Concat(reward == PaperRewards.Aesthetic ? unrestrained : []);
            CellResult[] rows = [.. samples.SelectMany(sample => sample.Runs.Where(run => run.Cell.Videos > 0).Take(1))];
            if (rows.Length > 0)
            {
                int columns = Math.Min(Shown, rows.Min(run => run.Cell.Videos));
                VideoClip[] videos = [.. rows.SelectMany(run => Enumerable.Range(0, columns)
                    .Select(video => VideoFile.Read(desk.Store.VideoOf(run.Cell, video))))];
                string file = $"table1-{reward}.gif";
                VideoFile.Write(desk[file], VideoClip.Grid(videos, columns), scale: Scale);
                page.Say($"Trained on {reward}{(reward == PaperRewards.Aesthetic && unrestrained.Count > 0 ? $"; last rows: "
                    + $"{string.Join("; ", unrestrained.Select(sample => sample.Name))}" : "")}:").Image(file, $"Videos of each method, trained on {reward}");
            }
        }
    }
}
