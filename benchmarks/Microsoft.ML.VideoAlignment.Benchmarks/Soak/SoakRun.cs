namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Aligns a model for many steps through the public API, and reads along the way what the process holds.</summary>
internal static class SoakRun
{
    private static readonly string[] s_prompts =
        ["a red circle moving right on a dark background", "a blue square growing on a light background", "a green cross moving up on a dark background"];

    /// <summary>The algorithms, by name.</summary>
    public static IReadOnlyDictionary<string, AlignmentAlgorithm> Algorithms { get; } = new Dictionary<string, AlignmentAlgorithm>(StringComparer.Ordinal)
    {
        ["reward gradient"] = AlignmentAlgorithm.RewardGradient(),
        ["DDPO"] = AlignmentAlgorithm.Ddpo(),
        ["Diffusion-DPO"] = AlignmentAlgorithm.DiffusionDpo(),
    };

    /// <summary>Trains, generates one video with what came out, and disposes everything.</summary>
    /// <param name="open">Opens the model, which the run disposes.</param>
    /// <param name="make">Makes the reward, which the run disposes.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="every">Steps between two readings.</param>
    /// <param name="folder">An empty folder for everything temporary.</param>
    public static SoakReport Run(Func<VideoDiffusionModel> open, Func<VideoReward> make, VideoAlignmentOptions options, int every, string folder)
    {
        var readings = new List<SoakReading>(options.Optimizer.Steps / every);
        using (VideoDiffusionModel model = open())
        using (VideoReward reward = make())
        {
            var context = new MLContext(seed: 1) { TempFilePath = folder };
            IDataView prompts = context.Data.LoadFromEnumerable(s_prompts.Select(prompt => new PromptRow { Prompt = prompt }));
            var control = new RunControl
            {
                Progress = new Reader(step =>
                {
                    if (step % every == 0)
                    {
                        readings.Add(SoakReading.Now(step));
                    }
                }),
            };
            using VideoAlignmentTransformer aligned = context.Transforms.AlignVideoDiffusion("Video", "Prompt", model, reward, options, control).Fit(prompts);
            using DataViewRowCursor rows = aligned.Transform(prompts).GetRowCursor(aligned.GetOutputSchema(prompts.Schema));
            rows.MoveNext();
        }

        IEnumerable<string> left = Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories);
        return new SoakReport(readings, [.. left.Select(path => Path.GetRelativePath(folder, path))]);
    }

    private sealed class PromptRow
    {
        public string Prompt { get; set; } = "";
    }

    /// <summary>Reads on the training thread, between two steps; <see cref="Progress{T}"/> would read at any time.</summary>
    /// <param name="onStep">Receives the number of the step that was done.</param>
    private sealed class Reader(Action<int> onStep) : IProgress<VideoAlignmentProgress>
    {
        public void Report(VideoAlignmentProgress value) => onStep(value.Step);
    }
}
