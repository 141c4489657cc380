using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Media;
using Spectre.Console;

namespace Examples;

/// <summary>Base against aligned on prompts that training never saw: each prompt's two videos have the same seed.</summary>
/// <param name="Videos">The videos and their scores.</param>
/// <param name="Size">Their size.</param>
/// <param name="Results">Each measure with what came of it; null where it has no reward.</param>
internal sealed record Comparison(IReadOnlyList<ShapesVideo> Videos, VideoSize Size, IReadOnlyList<(Measure Measure, VideoAlignmentMetrics? Metrics)> Results)
{
    private const int Shown = 8;

    /// <summary>Generates both videos of each prompt and scores them.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="aligned">The aligned model.</param>
    /// <param name="unseen">Prompts that training did not see.</param>
    /// <param name="count">How many of them are used.</param>
    /// <param name="measures">What is measured.</param>
    /// <param name="cancellation">Ends the comparison after the video under way.</param>
    public static Comparison Run(
        MLContext mlContext, VideoAlignmentTransformer aligned, IDataView unseen, int count, IReadOnlyList<Measure> measures, CancellationToken cancellation)
    {
        // Nothing is generated here yet: columns are computed when a row is read, and each video once.
        IDataView view = aligned.Transform(aligned.WithoutAlignment(Columns.Base).Transform(mlContext.Data.TakeRows(unseen, count)));
        VideoReward[] rewards = [.. measures.Select(measure => measure.Reward).OfType<VideoReward>().Distinct()];
        for (int i = 0; i < rewards.Length; i++)
        {
            view = mlContext.Transforms.ScoreVideo(Before(i), Columns.Base, rewards[i], nameof(ShapesVideo.Prompt))
                .Append(mlContext.Transforms.ScoreVideo(After(i), Columns.Aligned, rewards[i], nameof(ShapesVideo.Prompt)))
                .Fit(view).Transform(view);
        }

        List<ShapesVideo> videos = Generate(Read(view, rewards.Length), count, cancellation);
        VideoAlignmentMetrics Metrics(int reward)
        {
            IDataView scores = mlContext.Data.LoadFromEnumerable(
                videos.Select(video => new { Before = video.ScoresBefore[reward], After = video.ScoresAfter[reward] }));
            return mlContext.EvaluateVideoAlignment(scores, "After", "Before");
        }

        return new Comparison(
            videos, aligned.Size, [.. measures.Select(measure => (measure, measure.Reward is { } reward ? Metrics(Array.IndexOf(rewards, reward)) : null))]);
    }

    /// <summary>Sums the measures to the training reward of the unseen prompts, before step 1 and after the last.</summary>
    /// <param name="lastStep">The number of the last step.</param>
    public (int Step, double Reward)[] Ends(int lastStep)
    {
        double Sum(Func<VideoAlignmentMetrics, double> mean) =>
            Results.Sum(result => result.Metrics is { } metrics ? result.Measure.Weight * mean(metrics) : 0);
        return [(0, Sum(metrics => metrics.Gain!.BaseMeanScore)), (lastStep, Sum(metrics => metrics.MeanScore))];
    }

    /// <summary>Prints the table of the measures.</summary>
    public void Print()
    {
        Table table = new Table().RoundedBorder().Title($"{Videos.Count} unseen prompts, mean and 95 % confidence interval")
            .AddColumns("", "base", "aligned", "gain", "better on");
        foreach ((Measure measure, VideoAlignmentMetrics? metrics) in Results)
        {
            if (metrics is { Gain: { } gain })
            {
                table.AddRow(
                    measure.Name, Number(gain.BaseMeanScore), $"{Number(metrics.MeanScore)} ± {Number(metrics.ConfidenceHalfWidth)}",
                    $"{Math.Round(gain.Mean, 2).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture)} ± {Number(gain.ConfidenceHalfWidth)}",
                    gain.WinRate.ToString("0 %", CultureInfo.InvariantCulture));
            }
        }

        AnsiConsole.Write(table);

        static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Writes every video by itself without loss, videos.tsv with their prompts, and of the first ones before.gif, after.gif, before-after.gif and frames.png.
    /// </summary>
    /// <param name="folder">The result.</param>
    public void WriteVideos(ResultFolder folder)
    {
        Directory.CreateDirectory(folder[ResultFolder.Videos]);
        (string Name, string Prompt, float[] Frames)[] each =
        [
            .. Videos.Select((video, at) => (string.Create(CultureInfo.InvariantCulture, $"base-{at + 1:000}.webp"), video.Prompt, video.Before)),
            .. Videos.Select((video, at) => (string.Create(CultureInfo.InvariantCulture, $"aligned-{at + 1:000}.webp"), video.Prompt, video.After)),
        ];
        foreach ((string name, _, float[] frames) in each)
        {
            VideoFile.Write(folder[Path.Combine(ResultFolder.Videos, name)], Clip(frames));
        }

        File.WriteAllLines(
            folder["videos.tsv"], each.Select(video => $"{ResultFolder.Videos}/{video.Name}\t{video.Prompt.ReplaceLineEndings(" ").Replace('\t', ' ')}"));
        ShapesVideo[] shown = [.. Videos.Take(Shown)];
        VideoClip[] before = [.. shown.Select(video => Clip(video.Before))];
        VideoClip[] after = [.. shown.Select(video => Clip(video.After))];
        int scale = Math.Max(1, 96 / Size.Width);
        VideoFile.Write(folder["before.gif"], VideoClip.Grid(before, columns: 4), scale: scale);
        VideoFile.Write(folder["after.gif"], VideoClip.Grid(after, columns: 4), scale: scale);
        VideoClip[] pairs = [.. before.Zip(after).SelectMany(pair => new[] { pair.First, pair.Second })];
        VideoFile.Write(folder["before-after.gif"], VideoClip.Grid(pairs, columns: 4), scale: scale);
        VideoClip[] strips = [.. before.Zip(after).SelectMany(pair => new[] { pair.First.FrameStrip(), pair.Second.FrameStrip() })];
        VideoFile.Write(folder["frames.png"], VideoClip.Grid(strips, columns: 2, gap: 3), scale: Math.Max(1, scale - 1));
    }

    private static string Before(int reward) => string.Create(CultureInfo.InvariantCulture, $"Before{reward}");

    private static string After(int reward) => string.Create(CultureInfo.InvariantCulture, $"After{reward}");

    private static IEnumerable<ShapesVideo> Read(IDataView view, int rewards)
    {
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        ValueGetter<ReadOnlyMemory<char>> prompt = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema[nameof(ShapesVideo.Prompt)]);
        ValueGetter<VBuffer<float>> before = cursor.GetGetter<VBuffer<float>>(view.Schema[Columns.Base]);
        ValueGetter<VBuffer<float>> after = cursor.GetGetter<VBuffer<float>>(view.Schema[Columns.Aligned]);
        ValueGetter<float>[] Scores(Func<int, string> name) =>
            [.. Enumerable.Range(0, rewards).Select(reward => cursor.GetGetter<float>(view.Schema[name(reward)]))];
        (ValueGetter<float>[] scoresBefore, ValueGetter<float>[] scoresAfter) = (Scores(Before), Scores(After));
        while (cursor.MoveNext())
        {
            ReadOnlyMemory<char> text = default;
            prompt(ref text);
            yield return new ShapesVideo(text.ToString(), Values(before), Values(after), [.. scoresBefore.Select(Value)], [.. scoresAfter.Select(Value)]);
        }

        static float Value(ValueGetter<float> getter)
        {
            float value = 0;
            getter(ref value);
            return value;
        }

        static float[] Values(ValueGetter<VBuffer<float>> getter)
        {
            VBuffer<float> video = default;
            getter(ref video);
            return [.. video.DenseValues()];
        }
    }

    private static List<ShapesVideo> Generate(IEnumerable<ShapesVideo> rows, int count, CancellationToken cancellation)
    {
        string what = $"videos of {count} unseen prompts, before and after";
        if (!AnsiConsole.Profile.Capabilities.Interactive)
        {
            Console.WriteLine(what);
            return All(null);
        }

        return AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = 24 }, new RemainingTimeColumn())
            .Start(context => All(context.AddTask(what, maxValue: count)));

        List<ShapesVideo> All(ProgressTask? task)
        {
            var videos = new List<ShapesVideo>();
            foreach (ShapesVideo video in rows)
            {
                cancellation.ThrowIfCancellationRequested();
                videos.Add(video);
                task?.Increment(1);
            }

            return videos;
        }
    }

    private VideoClip Clip(float[] values) => new(values, Size.Frames, Size.Height, Size.Width);
}
