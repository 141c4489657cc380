// Image to video: teaches the embedded image-to-video model how the figure of an image is to move. An image does not say; an action classifier is the reward.
//   dotnet run -c Release --project examples/ImageToVideo -- --action "moving right"
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

const string Name = "image-to-video";
string help = $"""
    Teaches the embedded image-to-video model an action. An image decides what a video shows, not how it moves: the base model moves figures anywhere.

    dotnet run -c Release --project examples/ImageToVideo -- [options]

      --action NAME      moving right (default), moving left, moving up, moving down, growing, staying still
    {RunSettings.Help(Name)}
    """;

return CommandLine.Run("ImageToVideo", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name);
    string action = line.Choice("--action", "moving right", "moving left", "moving up", "moving down", "growing", "staying still");
    line.End();

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var model = MovingShapesModels.ImageToVideo();
    using VideoReward training = MovingShapesRewards.Action(new ActionClassificationOptions { Label = action, LogProbability = true });
    using VideoReward probability = MovingShapesRewards.Action(new ActionClassificationOptions { Label = action });
    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = training,
        Measures =
        [
            new Measure("probability of the motion", "heldOutProbability", probability),
            new Measure("its logarithm (trained on)", "heldOut", training, Weight: 1),
        ],
        Options = MovingShapesWorld.ImageEarlyOptions,
        Gradient = MovingShapesWorld.EarlySteps,
        Prompts = MovingShapesWorld.Images(mlContext),
        Unseen = MovingShapesWorld.UnseenImages(mlContext),
    }.Run(mlContext, folder);
});
