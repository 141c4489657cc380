using AlignAesthetic;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

return CommandLine.Run("AlignAesthetic", Settings.Help, args, line =>
{
    Settings settings = Settings.Parse(line);
    MLContext mlContext = settings.Run.NewContext();
    IDataView prompts = settings.Prompts is { } file ? PromptRow.Load(mlContext, "--prompts", file) : MovingShapesWorld.Prompts(mlContext);
    IDataView unseen = settings.Unseen is { } other ? PromptRow.Load(mlContext, "--unseen", other, least: 2) : MovingShapesWorld.Unseen(mlContext);
    using VideoDiffusionModel model = settings.OpenModel();
    using Rewards rewards = CommandLine.Open("--clip, --head", () => Rewards.Open(settings));
    using ResultFolder folder = settings.Run.Open(line);
    return new AlignmentJob
    {
        Settings = settings.Run,
        Model = model,
        Reward = rewards.Training,
        Measures = rewards.Measures,
        Options = settings.Model is null ? MovingShapesWorld.Options : new VideoAlignmentOptions(),
        Prompts = prompts,
        Unseen = unseen,
    }.Run(mlContext, folder);
});
