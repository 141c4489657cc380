using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.Media;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Does one cell: trains through the public door, and measures videos of prompts of alignment and of unseen ones.</summary>
internal static class CellRun
{
    /// <summary>Enough videos that a reward's pass is worth its overhead, few enough that memory does not show.</summary>
    private const int ScoredTogether = 16;

    public static void Run(ExperimentConfig cell, CellStore store)
    {
        var mlContext = new MLContext(cell.Seed) { GpuDeviceId = 0, FallbackToCpu = true };
        using VideoDiffusionModel model = Open(cell);
        using VideoReward reward = PaperRewards.Open(cell.Reward);
        IDataView aligned = Rows(mlContext, cell, MovingShapesWorld.Prompts, MovingShapesWorld.Images, FirstFrames.ForTraining);
        IDataView unseen = Rows(mlContext, cell, MovingShapesWorld.Unseen, MovingShapesWorld.UnseenImages, FirstFrames.Unseen);

        (VideoAlignmentOptions options, int cycle) = Methods.Options(cell);
        var clock = new TrainingClock(cycle);
        VideoAlignmentEstimator estimator = mlContext.Transforms.AlignVideoDiffusion(
            Columns.Aligned, nameof(PromptRow.Prompt), model, reward,
            options with { Validation = options.Validation with { Data = cell.MeasureEvery > 0 ? unseen : null } }, new RunControl { Progress = clock });
        long? before = Benchmarks.PeakMemory.Start();
        using VideoAlignmentTransformer transformer = estimator.Fit(aligned);
        long? peak = Benchmarks.PeakMemory.Since(before);

        StoredVideo[] unseenVideos = [.. Read(transformer.Transform(unseen))];
        for (int video = 0; video < cell.Videos; video++)
        {
            VideoFile.Write(store.VideoOf(cell, video),
                new VideoClip(unseenVideos[video].Values, transformer.Size.Frames, transformer.Size.Height, transformer.Size.Width));
        }

        (double seconds, double cpuSeconds) = clock.Total();
        store.Write(new CellResult
        {
            Cell = cell,
            Curve = clock.Curve(),
            Aligned = cell.MeasureEvery > 0 ? Measure(cell, [.. Read(transformer.Transform(aligned))], transformer.Size, FirstFrames.ForTraining) : Nothing,
            Unseen = cell.MeasureEvery > 0 ? Measure(cell, unseenVideos, transformer.Size, FirstFrames.Unseen) : Nothing,
            Seconds = Math.Round(seconds, 3),
            CpuSeconds = Math.Round(cpuSeconds, 3),
            PeakBytes = peak,
            Machine = Provenance.Machine,
            Commit = Provenance.Commit,
        });
    }

    /// <summary>The embedded model of a cell. The caller disposes it.</summary>
    public static VideoDiffusionModel Open(ExperimentConfig cell) => cell.Model == ExperimentConfig.Text ? MovingShapesModels.TextToVideo()
        : MovingShapesModels.ImageToVideo();

    /// <summary>The prompts that a cell keeps videos of.</summary>
    public static string[] UnseenPrompts(ExperimentConfig cell)
    {
        var mlContext = new MLContext();
        return [.. PromptRow.Read(mlContext, Rows(mlContext, cell, MovingShapesWorld.Unseen, MovingShapesWorld.UnseenImages, FirstFrames.Unseen))
            .Select(row => row.Prompt)];
    }

    private static IReadOnlyDictionary<string, double> Nothing { get; } = new Dictionary<string, double>();

    private static IDataView Rows(
        MLContext mlContext,
        ExperimentConfig cell,
        Func<MLContext, string, IDataView> prompts,
        Func<MLContext, IDataView> images,
        Func<int, FirstFrames> firstFrames) =>
        cell.Segments > 1 ? firstFrames(cell.Prompts).Load(mlContext)
        : mlContext.Data.TakeRows(cell.Model == ExperimentConfig.Text ? prompts(mlContext, "") : images(mlContext), cell.Prompts);

    private static IReadOnlyDictionary<string, double> Measure(
        ExperimentConfig cell, StoredVideo[] videos, VideoSize size, Func<int, FirstFrames> firstFrames) =>
        cell.Segments > 1 ? LongVideoScores.Of([.. videos.Select(video => video.Values)], firstFrames(cell.Prompts).Subjects, size) : Score(videos, size);

    private static IEnumerable<StoredVideo> Read(IDataView view)
    {
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        ValueGetter<ReadOnlyMemory<char>> prompt = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema[nameof(PromptRow.Prompt)]);
        ValueGetter<VBuffer<float>> video = cursor.GetGetter<VBuffer<float>>(view.Schema[Columns.Aligned]);
        while (cursor.MoveNext())
        {
            ReadOnlyMemory<char> text = default;
            VBuffer<float> values = default;
            prompt(ref text);
            video(ref values);
            yield return new StoredVideo(text.ToString(), [.. values.DenseValues()]);
        }
    }

    /// <summary>Each measure's mean over the videos.</summary>
    private static Dictionary<string, double> Score(StoredVideo[] videos, VideoSize size)
    {
        using IDisposable guard = no_grad();
        var means = new Dictionary<string, double>();
        foreach (string measure in PaperRewards.Measures)
        {
            using VideoReward reward = PaperRewards.Open(measure);
            double total = 0;
            foreach (StoredVideo[] some in videos.Chunk(ScoredTogether))
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor frames = tensor((float[])[.. some.SelectMany(video => video.Values)], [some.Length, size.Frames, 3, size.Height, size.Width]);
                total += reward.Score(frames.permute(0, 2, 1, 3, 4).contiguous(), [.. some.Select(video => video.Prompt)]).sum().ToDouble();
            }

            means[measure] = Math.Round(total / videos.Length, 6);
        }

        return means;
    }

    private sealed record StoredVideo(string Prompt, float[] Values);
}
