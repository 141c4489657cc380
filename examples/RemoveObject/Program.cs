// Aligns the embedded model so that one shape vanishes from videos whose prompts ask for it.
//   dotnet run -c Release --project examples/RemoveObject -- --label square
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

const string Name = "remove-object";
string help = $"""
    Aligns the embedded model so that one shape vanishes from videos whose prompts ask for it.

    dotnet run -c Release --project examples/RemoveObject -- [options]

      --label SHAPE      square (default), circle, triangle or cross
      --aesthetic W      weight of the predicted rating beside the removal (default 0.03)
    {RunSettings.Help(Name)}
    """;

return CommandLine.Run("RemoveObject", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name);
    string label = line.Choice("--label", "square", "circle", "triangle", "cross");
    float aestheticWeight = line.Weight("--aesthetic", 0.03f);
    line.End();

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var model = MovingShapesModels.TextToVideo();
    using VideoReward removal = MovingShapesRewards.ObjectRemoval(label);
    using VideoReward aesthetic = MovingShapesRewards.Aesthetic();

    // A detector can be pleased by spoiling the whole image, and says nothing more once it finds nothing. A little of the aesthetic reward keeps the rest
    // of the frame as people like it. Text similarity would pull the other way: the prompt still asks for the shape.
    using VideoReward reward = aestheticWeight > 0 ? VideoRewards.Mix((removal, 1), (aesthetic, aestheticWeight)) : removal;
    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = reward,
        Measures =
        [
            new Measure($"{label} absent", "heldOut", removal, Weight: 1),
            new Measure("predicted aesthetic", "heldOutAesthetic", aesthetic, aestheticWeight),
        ],
        Options = MovingShapesWorld.EarlyOptions,
        Gradient = MovingShapesWorld.EarlySteps,
        Prompts = MovingShapesWorld.Prompts(mlContext, label),
        Unseen = MovingShapesWorld.Unseen(mlContext, label),
    }.Run(mlContext, folder);
});
