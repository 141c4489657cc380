// A reward without gradient: the size of a video as compressed by zlib, which no derivative goes through. Diffusion-DPO and DDPO learn from its scores alone.
//   dotnet run -c Release --project examples/ScoresOnly
using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using static TorchSharp.torch;

const string Name = "scores-only";
string help = $"""
    Aligns the embedded model to videos that compress well, by preferences: the reward has no gradient, only scores.

    dotnet run -c Release --project examples/ScoresOnly -- [options]

      --algorithm NAME   dpo (default) or ddpo
    {RunSettings.Help(Name)}
    """;

return CommandLine.Run("ScoresOnly", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name);
    string algorithm = line.Choice("--algorithm", "dpo", "ddpo");
    line.End();

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var model = MovingShapesModels.TextToVideo();
    using VideoReward rating = MovingShapesRewards.TrueRating();

    #region readme-scores
    // Kilobytes of the video as zlib writes it: numbers go in, a number comes out, and no gradient comes back.
    using VideoReward size = VideoRewards.Custom(
        "compressed video",
        (frames, prompts) =>
        {
            using Tensor bytes = (frames * 255).to(uint8).cpu();
            return tensor(bytes.unbind(0).Select(video => (float)Compressed(video) / 1000).ToArray());
        },
        new RewardContract { IsDifferentiable = false, Direction = ScoreDirection.LowerIsBetter, ScoresFramesSeparately = false });

    VideoAlignmentOptions options = MovingShapesWorld.Options with
    {
        Sampling = MovingShapesWorld.Options.Sampling with { Steps = 10 },
        Optimizer = MovingShapesWorld.Options.Optimizer with { BatchSize = 8, LearningRate = algorithm == "dpo" ? 3e-3 : 1e-3 },
        Algorithm = algorithm == "dpo"
            ? AlignmentAlgorithm.DiffusionDpo(new DiffusionDpoOptions { InnerEpochs = 2 })
            : AlignmentAlgorithm.Ddpo(new DdpoOptions { TrainWithGuidance = false }),
    };
    #endregion

    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = size,
        Measures = [new Measure("kB as compressed", "heldOut", size, Weight: 1), new Measure("true rating", "trueRating", rating)],
        Options = options,
        Gradient = "no step of the reward's: its scores are all that is known",
        Prompts = MovingShapesWorld.Prompts(mlContext),
        Unseen = MovingShapesWorld.Unseen(mlContext),
    }.Run(mlContext, folder);
});

static long Compressed(Tensor video)
{
    using var target = new MemoryStream();
    using (var zlib = new ZLibStream(target, CompressionLevel.Optimal, leaveOpen: true))
    {
        zlib.Write(video.contiguous().bytes);
    }

    return target.Length;
}
