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

return CommandLine.Run("EveryReward", help, args, Run);

static int Run(CommandLine line)
{
    RunSettings settings = RunSettings.Read(line, Name, Steps);
    Entry[] entries = [.. line.Text("--only") is not { } only ? Entries.All : only.Split(',', StringSplitOptions.TrimEntries).Distinct().Select(name =>
        Entries.All.FirstOrDefault(entry => entry.Name == name) ?? throw new UsageException($"--only: there is no reward '{name}'; see --help"))];
    line.End();

    using ResultFolder folder = settings.Open(line);
    MLContext mlContext = settings.NewContext();
    using var interruption = new Interruption(folder.Interrupted.HowToGoOn);
    var rows = new List<Row>();
    var card = new Dictionary<string, object?>();
    foreach (Entry entry in entries)
    {
        using var model = MovingShapesModels.TextToVideo();
        using VideoReward reward = entry.Open();
        var job = new AlignmentJob
        {
            Settings = settings,
            Model = model,
            Reward = reward,
            Measures = [new Measure(entry.Name, entry.Name, reward)],
            Options = entry.Options,
            Gradient = entry.Gradient,
            ValidationRows = 0,
            Prompts = MovingShapesWorld.Prompts(mlContext, entry.Word),
            Unseen = MovingShapesWorld.Unseen(mlContext, entry.Word),
        };

        // Each training has its state until the table is written: a run that goes on trains no reward twice.
        (VideoAlignmentTransformer aligned, IReadOnlyList<VideoAlignmentProgress> curve) =
            job.Train(mlContext, folder.Interrupted.Part(entry.Name), interruption);
        using VideoAlignmentTransformer owner = aligned;
        if (interruption.Training.IsCancellationRequested || job.Compare(mlContext, aligned, interruption) is not { } comparison)
        {
            Console.WriteLine($"Stopped at '{entry.Name}', with {rows.Count} of {entries.Length} rewards done.{folder.Interrupted.HowToGoOn}");
            return interruption.ExitCode;
        }

        comparison.Print();
        VideoAlignmentMetrics metrics = comparison.Results[0].Metrics!;
        VideoAlignmentProgress last = curve[^1];
        rows.Add(new Row(entry.Name, reward.Contract.Direction == ScoreDirection.LowerIsBetter, metrics, last.Step, last.Elapsed.TotalSeconds / last.Step));
        card[entry.Name] = RunCard.Pair(metrics);
    }

    File.WriteAllText(folder["rewards.md"], RewardTable.Markdown(rows));
    File.WriteAllText(folder["rewards.tsv"], RewardTable.Tsv(rows));
    RunCard.Write(folder, card);
    string place = folder.Finish();
    folder.Interrupted.Remove();
    Console.WriteLine(RewardTable.Markdown(rows));
    int gains = rows.Count(row => row.IsGain);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{gains} of {rows.Count} rewards gained by more than their 95 % interval; rewards.md, rewards.tsv, run-card.json are in {place}"));
    return 0;
}
