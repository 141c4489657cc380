using Microsoft.ML.VideoAlignment.Media;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Figure 9 of VADER: videos three times as long, each segment from the last frame of the one before, aligned to V-JEPA's consistency.</summary>
internal static class Fig9
{
    public const string Name = "fig9";

    private const int Columns = 2, Shown = 8, StripStep = 8;

    public static void Run(ExperimentContext desk)
    {
        Scale scale = desk.Scale;
        (string Name, string Reward)[] recipes =
        [
            ("V-JEPA alone", PaperRewards.Consistency), ("V-JEPA, text and motion", PaperRewards.ConsistencyTextAndMotion),
        ];
        double[] rates = [.. recipes.Select(recipe => scale.LongVideoCell(Methods.Vader, recipe.Reward, 1).LearningRate)];
        ExperimentConfig[] cells =
        [
            .. from seed in scale.SeedList
               from cell in recipes.Select(recipe => scale.LongVideoCell(Methods.Vader, recipe.Reward, seed))
                   .Prepend(scale.LongVideoCell(Methods.Base, PaperRewards.Consistency, seed))
               select cell,
        ];
        IReadOnlyList<CellResult> results = desk.Campaign.Complete(cells);
        CellResult[] bases = [.. results.Where(run => run.Cell.Method == Methods.Base)];
        var start = new Sample("base model", bases, bases);
        Sample[] aligned = [.. recipes.Select(recipe =>
            new Sample(recipe.Name, results.Where(run => run.Cell.Method == Methods.Vader && run.Cell.Reward == recipe.Reward), bases))];
        Sample[] samples = [.. aligned.Prepend(start).Where(sample => !sample.IsEmpty)];

        ExperimentConfig usual = scale.LongVideoCell(Methods.Vader, PaperRewards.Consistency, 1);
        var page = new Page(
            "Figure 9: videos three times as long",
            "VADER (arXiv 2407.08737), Figure 9, on the embedded world: does alignment to V-JEPA keep videos of three segments consistent? Each segment begins "
                + "with the last frame of the one before; measured on first frames that nothing was trained on, from the pixels and by a judge that measures.");
        page.Missing(results.Count, cells.Length).Say(
            FormattableString.Invariant(
                $"{scale.FirstFrames} first frames of alignment, as many unseen ones; {usual.Queries} long videos scored in training, at learning rate ")
                + FormattableString.Invariant($"{rates[0]:0e+0} (V-JEPA alone, whose videos lose their backgrounds at the other rate) or {rates[1]:0e+0}; ")
                + $"{usual.SamplerSteps} denoising steps, gradient through the three that move the video most, of every segment; windows of 8 frames every 4, "
                + $"so over the joints too. Text: {PaperRewards.TextWeight:0.##} x the similarity of a frame and the caption of its image. Motion: what a "
                + $"video moves less than usual, as a share, costs {MotionKeeper.Weight:0.##}.");
        page.Table(
            ["", .. samples.Select(sample => sample.Name)],
            LongVideoScores.Names(usual.Segments).Select(measure =>
                (IReadOnlyList<string>)[measure, .. samples.Select(sample => sample.Unseen(measure).ToString(Digits(measure)))]));
        page.Head("What the paper says, and what these runs say");
        foreach (Sample sample in aligned.Where(sample => !sample.IsEmpty && !start.IsEmpty))
        {
            Claim(page, start, sample);
        }

        page.Space();
        WriteVideos(page, desk, samples);
        Csv.Write(
            desk["fig9.csv"], ["recipe", "seed", .. LongVideoScores.Names(usual.Segments)],
            from sample in samples
            from run in sample.Runs
            select (IReadOnlyList<object?>)[sample.Name, run.Cell.Seed, .. LongVideoScores.Names(usual.Segments).Select(name => (object?)run.Unseen[name])]);
        page.Write(desk["fig9.md"], results, desk.Command(Name));
    }

    private static int Digits(string measure) => measure is LongVideoScores.MotionEnergy or LongVideoScores.JointColorStep or LongVideoScores.Drift ? 4 : 3;

    private static void Claim(Page page, Sample start, Sample aligned)
    {
        const double Tolerance = 0.1;
        foreach ((string measure, string better) in new[]
        {
            (PaperRewards.Consistency, "more consistent by V-JEPA"),
            (LongVideoScores.Kept, "more consistent by the judge, which nothing was trained on"),
        })
        {
            (Interval before, Interval after) = (start.Unseen(measure), aligned.Unseen(measure));
            Interval gain = Fig4.Gap(aligned, start, run => run.Unseen[measure]);
            page.Claim(
                after.Low > before.High,
                $"aligned to {aligned.Name}, long videos are {better}, intervals apart: {before.ToString(3)} to {after.ToString(3)}; seed by seed the gain is "
                    + $"{gain.ToString(3)}.");
        }

        double share = aligned.Unseen(LongVideoScores.MotionEnergy).Mean / start.Unseen(LongVideoScores.MotionEnergy).Mean;
        page.Claim(Math.Abs(share - 1) <= Tolerance, FormattableString.Invariant(
            $"aligned to {aligned.Name}, videos move as much as the base model's, within 10 %: motion energy is {100 * share:0} % of the base model's."));
    }

    private static void WriteVideos(Page page, ExperimentContext desk, Sample[] samples)
    {
        CellResult[] rows = [.. samples.SelectMany(sample => sample.Runs.Where(run => run.Cell.Videos > 0).Take(1))];
        if (rows.Length < Columns)
        {
            return;
        }

        int shown = Math.Min(Shown, rows.Min(run => run.Cell.Videos));
        VideoClip[][] videos = [.. Enumerable.Range(0, shown)
            .Select(video => rows.Select(run => VideoFile.Read(desk.Store.VideoOf(run.Cell, video))).ToArray())];
        VideoFile.Write(desk["fig9.gif"], VideoClip.Grid([.. Enumerable.Range(0, rows.Length).SelectMany(row => videos.Select(each => each[row]))],
            shown), scale: 3);

        // A strip: every eighth frame, from the first on, with the last.
        int frames = videos[0][0].Frames;
        int[] places = [.. Enumerable.Range(0, frames / StripStep).Select(i => i * StripStep), frames - 1];
        VideoClip[] strip = [.. videos.SelectMany(each => each.SelectMany(clip => places.Select(clip.Frame)))];
        VideoFile.Write(desk["fig9.png"], VideoClip.Grid(strip, places.Length), scale: 3);
        string order = string.Join(", ", samples.Select(sample => sample.Name));
        page.Head("The videos").Say($"Unseen first frames, the videos of seed 1, equal noise. Rows from above: {order}.")
            .Image("fig9.gif", "Long videos, base above aligned")
            .Say($"The same videos as strips, every eighth frame and the last; of each image first the base model's, then the aligned ones in the same order.")
            .Image("fig9.png", "Strips of long videos, base above aligned");
    }
}
