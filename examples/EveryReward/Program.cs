// Aligns the embedded model to each reward in turn and tells what each gained on prompts that training never saw.
//   dotnet run -c Release --project examples/EveryReward
using System.Globalization;
using EveryReward;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

const string Name = "every-reward";
const int Steps = 25;
string help = $"""
    Aligns the embedded model to each reward in turn and tells what each gained on prompts that training never saw.

    dotnet run -c Release --project examples/EveryReward -- [options]

      --only NAMES       some of them, with commas between: {string.Join(", ", Entries.All.Select(entry => entry.Name))}
    {RunSettings.Help(Name, Steps)}
    """;

return CommandLine.Run("EveryReward", help, args, line =>
{
    RunSettings settings = RunSettings.Read(line, Name, Steps);
    Entry[] entries = [.. line.Text("--only") is not { } only ? Entries.All : only.Split(',').Select(name =>
        Entries.All.FirstOrDefault(entry => entry.Name == name) ?? throw new UsageException($"--only: there is no reward '{name}'; see --help"))];
    line.End();

    using var folder = new ResultFolder(settings.Out);
    MLContext mlContext = settings.NewContext();
    var rows = new List<Row>();
    var card = new Dictionary<string, object?>();
    foreach (Entry entry in entries)
    {
        using var model = VideoDiffusionModel.MovingShapes();
        using VideoReward reward = entry.Open();
        (VideoAlignmentTransformer aligned, IReadOnlyList<VideoAlignmentProgress> curve, Comparison comparison) = new AlignmentJob
        {
            Settings = settings,
            Model = model,
            Reward = reward,
            Measures = [new Measure(entry.Name, entry.Name, reward)],
            Options = entry.Options,
            Gradient = entry.Options.GradientWindow is null ? null : MovingShapesWorld.EarlySteps,
            HeldOutPrompts = 0,
            Prompts = MovingShapesWorld.Prompts(mlContext, entry.Word),
            Unseen = MovingShapesWorld.Unseen(mlContext, entry.Word),
        }.Train(mlContext);
        using VideoAlignmentTransformer owned = aligned;
        comparison.Print();
        VideoAlignmentMetrics metrics = comparison.Results[0].Metrics!;
        rows.Add(new Row(entry.Name, reward.Contract.Direction == ScoreDirection.LowerIsBetter, metrics, curve[^1].Step, curve[^1].Elapsed.TotalSeconds / curve[^1].Step));
        card[entry.Name] = RunCard.Pair(metrics);
    }

    File.WriteAllText(folder["rewards.md"], RewardTable.Markdown(rows));
    File.WriteAllText(folder["rewards.tsv"], RewardTable.Tsv(rows));
    RunCard.Write(folder["run-card.json"], card);
    string place = folder.Finish();
    Console.WriteLine(RewardTable.Markdown(rows));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rows.Count(row => row.IsGain)} of {rows.Count} rewards gained by more than their 95 % interval; rewards.md, rewards.tsv, run-card.json are in {place}"));
    return 0;
});
