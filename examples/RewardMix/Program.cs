// Aligns the embedded model to a weighted sum of rewards and shows what became of each part.
//   dotnet run -c Release --project examples/RewardMix -- --aesthetic 0.1 --preference 2 --text 1
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

const string Name = "reward-mix";
string help = $"""
    Aligns the embedded model to a weighted sum of rewards and shows what became of each part.

    dotnet run -c Release --project examples/RewardMix -- [options]

      --aesthetic W      weight of the predicted rating, 1 .. 10 (default 0.1); 0 leaves it out
      --preference W     weight of the preference model's score, a cosine too (default 2)
      --text W           weight of the cosine of frame and prompt (default 1)
      --normalize        each part's scores are shifted and scaled to mean 0 and deviation 1 as training goes, so that weights
                         compare parts of different scales: try it with weights of 1
    {RunSettings.Help(Name)}
    """;

return CommandLine.Run("RewardMix", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name);
    (float aestheticWeight, float preferenceWeight, float textWeight) =
        (line.Weight("--aesthetic", 0.1f), line.Weight("--preference", 2), line.Weight("--text", 1));
    bool normalize = line.Flag("--normalize");
    line.End();
    if (aestheticWeight + preferenceWeight + textWeight == 0)
    {
        throw new UsageException("every weight is 0: nothing is left to align to");
    }

    int mixed = new[] { aestheticWeight, preferenceWeight, textWeight }.Count(weight => weight > 0);
    CommandLine.RequireFor("two weights above 0", ("--normalize", normalize && mixed == 1));

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var model = MovingShapesModels.TextToVideo();
    using VideoReward aesthetic = MovingShapesRewards.Aesthetic();
    using VideoReward preference = MovingShapesRewards.Preference();
    using VideoReward text = MovingShapesRewards.TextSimilarity();
    using VideoReward rating = MovingShapesRewards.TrueRating();

    (VideoReward Reward, float Weight)[] parts = [(aesthetic, aestheticWeight), (preference, preferenceWeight), (text, textWeight)];
    using VideoReward mix = VideoRewards.Mix([.. parts.Where(part => part.Weight > 0)], normalize);
    return new AlignmentJob
    {
        Settings = settings,
        Model = model,
        Reward = mix,
        Measures =
        [
            new Measure("the sum", "heldOut", mix, Weight: 1),
            new Measure("predicted aesthetic", "heldOutAesthetic", aesthetic),
            new Measure("preference", "heldOutPreference", preference),
            new Measure("text similarity", "heldOutText", text),
            new Measure("true rating (never trained on)", "heldOutTrue", rating),
        ],
        Prompts = MovingShapesWorld.Prompts(mlContext),
        Unseen = MovingShapesWorld.Unseen(mlContext),
    }.Run(mlContext, folder);
});
