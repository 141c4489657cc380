// A reward of your own in a few lines: videos with much red and little else. Any differentiable function of the frames will do.
//   dotnet run -c Release --project examples/YourOwnReward
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment;
using static TorchSharp.torch;

const string Help = """
    Aligns the embedded model to a reward of its own, videos with much red, and writes aligned.zip.

    dotnet run -c Release --project examples/YourOwnReward -- [--help]
    """;

return CommandLine.Run("YourOwnReward", Help, args, line =>
{
    line.End();
    TargetFile.Require("here", "aligned.zip");

    #region readme-reward
    // frames: [B, 3, T, H, W], RGB in [0, 1]; the result, [B], must carry gradient. Higher is better.
    using VideoReward redness = VideoRewards.Custom("redness", (frames, prompts) =>
    {
        Tensor[] rgb = frames.unbind(1);
        return (rgb[0] - ((rgb[1] + rgb[2]) / 2)).mean([1, 2, 3]);
    });
    #endregion

    #region readme-pipeline
    var mlContext = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = true };
    IDataView prompts = mlContext.Data.LoadFromTextFile<PromptRow>(MovingShapesPrompts.TrainingFile, hasHeader: true);
    IDataView unseen = mlContext.Data.LoadFromTextFile<PromptRow>(MovingShapesPrompts.UnseenFile, hasHeader: true);

    using var model = MovingShapesModels.TextToVideo(); // or FromPretrained("path/to/text-to-video-ms-1.7b")
    var options = new VideoAlignmentOptions
    {
        Sampling = new() { Steps = 20, GuidanceScale = 1.5 },
        Optimizer = new() { Steps = 10, LearningRate = 1e-3 },
        Memory = new() { Recompute = ActivationRecompute.None },
    };
    var control = new RunControl { Progress = new ProgressLines(Console.Out) };
    var alignment = mlContext.Transforms.AlignVideoDiffusion("Video", "Prompt", model, redness, options, control);

    using VideoAlignmentTransformer aligned = alignment.Fit(prompts);
    mlContext.Model.Save(aligned, prompts.Schema, "aligned.zip");

    // The base model's videos beside the aligned ones, on the same seeds.
    var scores = mlContext.Transforms.ScoreVideo("Score", "Video", redness).Append(mlContext.Transforms.ScoreVideo("BaseScore", "BaseVideo", redness));
    IDataView videos = aligned.Transform(aligned.WithoutAlignment("BaseVideo").Transform(mlContext.Data.TakeRows(unseen, 8)));
    VideoAlignmentMetrics metrics = mlContext.EvaluateVideoAlignment(scores.Fit(videos).Transform(videos), "Score", "BaseScore");
    #endregion

    Console.WriteLine(FormattableString.Invariant(
        $"redness of 8 unseen prompts: {metrics.Gain!.BaseMeanScore:0.000} before, {metrics.MeanScore:0.000} after, higher on {metrics.Gain.WinRate:0 %}"));
    return 0;
});

internal sealed class PromptRow
{
    [LoadColumn(0)]
    public string Prompt { get; set; } = "";
}
