using AlignAesthetic;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

return CommandLine.Run("AlignAesthetic", Settings.Help, args, line =>
{
    Settings settings = Settings.Parse(line);
    var interrupted = InterruptedRun.Open("examples/AlignAesthetic", args, settings.Run.Out, settings.Resume);
    using var folder = new ResultFolder(settings.Run.Out);
    MLContext mlContext = settings.Run.NewContext();
    using VideoDiffusionModel model = CommandLine.Open("--model", () => settings.Model is null ? VideoDiffusionModel.MovingShapes() : VideoDiffusionModel.FromPretrained(settings.Model));
    using Rewards rewards = CommandLine.Open("--clip, --head", () => Rewards.Open(settings));
    return new AlignmentJob
    {
        Settings = settings.Run,
        Model = model,
        Reward = rewards.Training,
        Measures = rewards.Measures,
        Options = settings.Model is null ? MovingShapesWorld.Options : new VideoAlignmentOptions(),
        Prompts = settings.Prompts is { } prompts ? PromptRow.Load(mlContext, prompts) : MovingShapesWorld.Prompts(mlContext),
        Interrupted = interrupted,
        Unseen = settings.Unseen is { } unseen ? PromptRow.Load(mlContext, unseen) : MovingShapesWorld.Unseen(mlContext),
    }.Run(mlContext, folder);
});
