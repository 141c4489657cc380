// A reward class of your own: estimated, proved, trained with, saved and loaded as the library's own rewards are. Warmth.cs has the class.
//   dotnet run -c Release --project examples/OwnRewardClass
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment;

const string Help = """
    Aligns an untrained model to a reward class of its own, videos of warm colors, and writes the reward's scoring as scoring.zip.

    dotnet run -c Release --project examples/OwnRewardClass -- [--help]
    """;

return CommandLine.Run("OwnRewardClass", Help, args, line =>
{
    line.End();
    TargetFile.Require("here", "scoring.zip");

    #region own-reward-use
    VideoRewards.Register(Warmth.Kind, Warmth.Load); // a file names the kind, and only the program says what it makes
    using var warmth = new Warmth(new WarmthSettings(Red: 1, Blue: -1));
    using var model = VideoDiffusionModel.Untrained(VideoModelFamily.ModelScope);
    var options = new VideoAlignmentOptions
    {
        Sampling = new() { Steps = 2, GuidanceScale = 2 },
        Lora = new() { Rank = 2 },
        Optimizer = new() { Steps = 4, LearningRate = 1e-2 },
    };

    Console.WriteLine(model.EstimateMemory(options, warmth).Describe());
    GradientCheck.Run(model, warmth, options, new GradientCheckOptions { Directions = 1, Parts = 0, Invariants = false }).ThrowIfFailed();

    var mlContext = new MLContext(seed: 1);
    IDataView prompts = mlContext.Data.LoadFromEnumerable([new { Prompt = "a sunset" }, new { Prompt = "a fire" }]);
    using VideoAlignmentTransformer aligned = mlContext.Transforms.AlignVideoDiffusion("Video", "Prompt", model, warmth, options).Fit(prompts);
    IDataView videos = aligned.Transform(prompts);
    using VideoScoringTransformer scoring = mlContext.Transforms.ScoreVideo("Score", "Video", warmth).Fit(videos);
    mlContext.Model.Save(scoring, videos.Schema, "scoring.zip");

    mlContext.RegisterVideoAlignment();
    ITransformer loaded = mlContext.Model.Load("scoring.zip", out _);
    float[] scores = [.. scoring.Transform(videos).GetColumn<float>("Score")], again = [.. loaded.Transform(videos).GetColumn<float>("Score")];
    #endregion

    Console.WriteLine(FormattableString.Invariant(
        $"gradient proved; warmth {scores[0]:0.0000} and {scores[1]:0.0000}, loaded {again[0]:0.0000} and {again[1]:0.0000}"));
    ((IDisposable)loaded).Dispose();
    return scores.SequenceEqual(again) ? 0 : 1;
});
