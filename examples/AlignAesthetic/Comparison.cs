using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Media;
using Spectre.Console;

namespace AlignAesthetic;

/// <summary>Base against aligned on prompts that training never saw: each prompt's two films have the same seed.</summary>
internal sealed record Comparison(IReadOnlyList<Film> Films, VideoSize Size, VideoAlignmentMetrics Aesthetic, VideoAlignmentMetrics? True, VideoAlignmentMetrics? Text)
{
    private const int Shown = 8;

    public static Comparison Run(MLContext mlContext, VideoAlignmentTransformer aligned, IDataView unseen, int count, Rewards rewards)
    {
        // Nothing is generated here yet: columns are computed when a row is read, and each film once.
        IDataView view = aligned.Transform(aligned.WithoutAlignment(Columns.Base).Transform(mlContext.Data.TakeRows(unseen, count)));
        view = Score(mlContext, view, rewards.Aesthetic, nameof(Film.AestheticBefore), nameof(Film.AestheticAfter));
        view = Score(mlContext, view, rewards.True ?? rewards.Aesthetic, nameof(Film.TrueBefore), nameof(Film.TrueAfter));
        view = Score(mlContext, view, rewards.Text ?? rewards.Aesthetic, nameof(Film.TextBefore), nameof(Film.TextAfter));
        List<Film> films = Read(mlContext.Data.CreateEnumerable<Film>(view, reuseRowObject: false), count);
        IDataView scores = mlContext.Data.LoadFromEnumerable(films.Select(film => new
        {
            film.AestheticBefore,
            film.AestheticAfter,
            film.TrueBefore,
            film.TrueAfter,
            film.TextBefore,
            film.TextAfter,
        }));
        VideoAlignmentMetrics Metrics(string after, string before) => mlContext.EvaluateVideoAlignment(scores, after, before);
        return new Comparison(
            films, aligned.Size, Metrics(nameof(Film.AestheticAfter), nameof(Film.AestheticBefore)),
            rewards.True is null ? null : Metrics(nameof(Film.TrueAfter), nameof(Film.TrueBefore)),
            rewards.Text is null ? null : Metrics(nameof(Film.TextAfter), nameof(Film.TextBefore)));
    }

    /// <summary>The training reward of the unseen prompts, before step 1 and after the last.</summary>
    public (int Step, double Reward)[] Ends(int lastStep, Rewards rewards)
    {
        double Mean(Func<Film, float> aesthetic, Func<Film, float> text) =>
            Films.Average(film => (rewards.AestheticWeight * aesthetic(film)) + (rewards.TextWeight * text(film)));
        return [(0, Mean(film => film.AestheticBefore, film => film.TextBefore)), (lastStep, Mean(film => film.AestheticAfter, film => film.TextAfter))];
    }

    public void Print()
    {
        Table table = new Table().RoundedBorder().Title($"{Films.Count} unseen prompts, mean and 95 % confidence interval")
            .AddColumns("", "base", "aligned", "gain", "better on");
        Add("predicted aesthetic", Aesthetic);
        Add("true rating (known formula, never trained on)", True);
        Add("text similarity", Text);
        AnsiConsole.Write(table);

        void Add(string name, VideoAlignmentMetrics? metrics)
        {
            if (metrics is { Gain: { } gain })
            {
                table.AddRow(
                    name, Number(gain.BaseMeanScore), $"{Number(metrics.MeanScore)} ± {Number(metrics.ConfidenceHalfWidth)}",
                    $"{Math.Round(gain.Mean, 2).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture)} ± {Number(gain.ConfidenceHalfWidth)}",
                    gain.WinRate.ToString("0 %", CultureInfo.InvariantCulture));
            }
        }

        static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
    }

    /// <summary>before.gif, after.gif, before-after.gif and frames.png, from the first films.</summary>
    public void WriteFilms(ResultFolder folder)
    {
        Film[] shown = [.. Films.Take(Shown)];
        VideoClip[] before = [.. shown.Select(film => Clip(film.Before))];
        VideoClip[] after = [.. shown.Select(film => Clip(film.After))];
        int scale = Math.Max(1, 96 / Size.Width);
        VideoFile.Write(folder["before.gif"], VideoClip.Grid(before, columns: 4), scale: scale);
        VideoFile.Write(folder["after.gif"], VideoClip.Grid(after, columns: 4), scale: scale);
        VideoClip[] pairs = [.. before.Zip(after).SelectMany(pair => new[] { pair.First, pair.Second })];
        VideoFile.Write(folder["before-after.gif"], VideoClip.Grid(pairs, columns: 4), scale: scale);
        VideoClip[] strips = [.. before.Zip(after).SelectMany(pair => new[] { pair.First.FilmStrip(), pair.Second.FilmStrip() })];
        VideoFile.Write(folder["frames.png"], VideoClip.Grid(strips, columns: 2, gap: 3), scale: Math.Max(1, scale - 1));
    }

    private static List<Film> Read(IEnumerable<Film> rows, int count)
    {
        string what = $"films of {count} unseen prompts, before and after";
        if (!AnsiConsole.Profile.Capabilities.Interactive)
        {
            Console.WriteLine(what);
            return [.. rows];
        }

        return AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = 24 }, new RemainingTimeColumn()).Start(context =>
        {
            ProgressTask task = context.AddTask(what, maxValue: count);
            var films = new List<Film>();
            foreach (Film film in rows)
            {
                films.Add(film);
                task.Increment(1);
            }

            return films;
        });
    }

    private VideoClip Clip(float[] values) => new(values, Size.Frames, Size.Height, Size.Width);

    private static IDataView Score(MLContext mlContext, IDataView view, VideoReward reward, string before, string after) =>
        mlContext.Transforms.ScoreVideo(before, Columns.Base, reward, nameof(Film.Prompt))
            .Append(mlContext.Transforms.ScoreVideo(after, Columns.Aligned, reward, nameof(Film.Prompt)))
            .Fit(view).Transform(view);
}
