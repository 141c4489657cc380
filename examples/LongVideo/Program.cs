// Videos three times as long: each segment begins with the last frame of the one before, and V-JEPA judges the whole video.
//   dotnet run -c Release --project examples/LongVideo
using LongVideo;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

const string Name = "long-video";
string help = $"""
    Extends videos of the embedded image-to-video model, each segment from the last frame of the one before, and aligns them to V-JEPA's consistency.

    dotnet run -c Release --project examples/LongVideo -- [options]

      --segments N       segments of a video (default 3)
      --carry            gradient of later segments goes on into earlier ones through the frame they begin with
      --model FOLDER     a Stable Video Diffusion folder in place of the embedded model; needs --images
      --images FOLDER    images to begin with, for --model: by its folders train and test, else a fifth of them to compare on
      --vjepa FILE       V-JEPA's file, such as vitl16.pth.tar, for --model; without it the embedded one
      --vjepa-frames N   frames that it was trained on at once (default 16)
    {RunSettings.Help(Name, steps: 20)}
    """;

return CommandLine.Run("LongVideo", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name, steps: 20);
    int segments = line.Number("--segments", 3, minimum: 1);
    bool carry = line.Flag("--carry");
    OfficialModel? official = OfficialModel.Read(line);
    line.End();
    CommandLine.RequireFor("--segments of 2 or more", ("--carry", carry && segments == 1));
    if (official is not null)
    {
        return official.Run(line, settings, segments, carry);
    }

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    #region readme-video
    using var model = MovingShapesModels.ImageToVideo(); // or FromPretrained("stabilityai/stable-video-diffusion-img2vid")
    using VideoReward consistency = MovingShapesRewards.TemporalConsistency();

    // V-JEPA sees windows of as many consecutive frames as it was trained at; every second one lies over a joint of two segments.
    int window = model.DefaultSize.Frames;
    VideoAlignmentOptions options = MovingShapesWorld.ImageOptions with
    {
        Sampling = MovingShapesWorld.ImageOptions.Sampling with { SegmentCount = segments },
        Optimizer = MovingShapesWorld.ImageOptions.Optimizer with { LearningRate = 3e-4 },
        Algorithm = AlignmentAlgorithm.RewardGradient(new() { Window = GradientWindow.MostSensitive(3), CarryGradientAcrossSegments = carry }),
        Reward = MovingShapesWorld.ImageOptions.Reward with { Frames = RewardFrames.Windows(window, window / 2) },
    };
    #endregion
    using VideoReward rating = MovingShapesRewards.TrueRating();
    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = consistency,
        Measures = [
            new Measure("consistency of the video", "heldOut", consistency, Weight: 1),
            new Measure("true rating (never trained on)", "heldOutTrue", rating)],
        Options = options,
        Gradient = MovingShapesWorld.ImageSteps,
        Prompts = MovingShapesWorld.Images(mlContext),
        Unseen = MovingShapesWorld.UnseenImages(mlContext),
    }.Run(mlContext, folder);
});
