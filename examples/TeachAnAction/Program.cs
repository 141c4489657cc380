// Teaches the embedded model an action, whatever motion the prompt asks for. The reward is an action classifier, the measure its accuracy on unseen prompts.
//   dotnet run -c Release --project examples/TeachAnAction
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using TeachAnAction;

const string Name = "teach-an-action";
string help = $"""
    Teaches the embedded model an action: figures do it whatever motion the prompt asks for.

    dotnet run -c Release --project examples/TeachAnAction -- [options]

      --action NAME      growing (default), staying still, moving left, moving right, moving up, moving down,
                         or prompt: the one that each prompt asks for
      --gradient STEPS   early  through {MovingShapesWorld.EarlySteps} (default)
                         all    through all 20 steps: the whole chain, slower
                         last   through the last step, VADER's default: the motion is decided by then
    {RunSettings.Help(Name)}
    """;

return CommandLine.Run("TeachAnAction", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name);
    string action = line.Choice("--action", ["growing", "prompt", .. Recognized.Motions.Where(motion => motion != "growing")]);
    string? wanted = action == "prompt" ? null : action;
    string gradient = line.Choice("--gradient", "early", "all", "last");
    line.End();

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var model = MovingShapesModels.TextToVideo();

    // The logarithm is VADER's cross-entropy: it keeps a slope where a video moves the wrong way and the probability is near 0. The classifier sees the whole
    // video, so every frame is decoded and takes gradient.
    using VideoReward training = MovingShapesRewards.Action(new ActionClassificationOptions { Label = wanted, LogProbability = true });
    using VideoReward probability = MovingShapesRewards.Action(new ActionClassificationOptions { Label = wanted });
    using var recognized = new Recognized(wanted);
    (VideoAlignmentOptions options, string window) = gradient switch
    {
        "early" => (MovingShapesWorld.EarlyOptions, MovingShapesWorld.EarlySteps),
        "all" => (MovingShapesWorld.Options with
        {
            Optimizer = MovingShapesWorld.Options.Optimizer with { LearningRate = 1e-3 },
            Algorithm = AlignmentAlgorithm.RewardGradient(new() { GradientSteps = 20 }),
        }, "all 20"),
        _ => (MovingShapesWorld.Options, MovingShapesWorld.LastSteps),
    };
    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = training,
        Measures =
        [
            new Measure("accuracy", "heldOut", recognized.Reward),
            new Measure("probability of the motion", "heldOutProbability", probability),
            new Measure("its logarithm (trained on)", "heldOutLogProbability", training, Weight: 1),
        ],
        Options = options,
        Gradient = window,
        Prompts = MovingShapesWorld.Prompts(mlContext),
        Unseen = MovingShapesWorld.Unseen(mlContext),
    }.Run(mlContext, folder);
});
