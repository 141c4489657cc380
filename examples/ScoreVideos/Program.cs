// Scores videos by any rewards. A reward is a function of a tensor: no generator, no ML.NET table is needed.
using System.Globalization;
using Microsoft.ML.VideoAlignment;
using Microsoft.ML.VideoAlignment.Media;
using ScoreVideos;
using Spectre.Console;
using TorchSharp;

string help = $"""
    Scores the videos of a folder by any rewards: {VideoFiles.Kinds}.
    Video files such as .mp4 are read through ffmpeg, where it is installed. Of a result folder of another example its videos are scored, on their own
    prompts. What is passed over, such as a sheet of several videos, is counted and named.

    dotnet run -c Release --project examples/ScoreVideos -- FOLDER REWARD [REWARD ...] [options]

    Rewards, of the embedded MovingShapes world or, with =, from files of published models:
      {RewardName.Known}

      --prompts FILE     tab-separated: file name, prompt; without it the file names are the prompts, "a-red-circle.gif"
      --out FILE         the table as tab-separated text (default out/scores.tsv)
      --help             this text
    """;

return CommandLine.Run("ScoreVideos", help, args, line =>
{
    (string? promptFile, string target) = (line.Existing("--prompts"), line.Text("--out") ?? Path.Combine("out", "scores.tsv"));
    if (line.Words() is not [var folder, _, ..] words)
    {
        throw new UsageException("expected a folder and at least one reward; see --help");
    }

    (IReadOnlyList<(string Name, string Path)> videos, IReadOnlyList<string> others) = VideoFiles.Find(folder);
    Func<string, string> prompted = promptFile is not null
        ? VideoFiles.Prompts(promptFile, every: true)
        : VideoFiles.Prompts(VideoFiles.PromptsOfResult(folder), every: false);
    var prompts = videos.ToDictionary(video => video.Name, video => prompted(video.Name), StringComparer.Ordinal);
    VideoReward[] rewards = [.. words.Skip(1).Select(RewardName.Open)];
    bool embedded = words.Skip(1).Any(RewardName.IsEmbedded);
    TargetFile.Require("--out", target);
    var notes = new List<string>();
    var passedOver = new List<string>(others);
    List<string[]> rows = [["file", "prompt", .. words.Skip(1)]];
    foreach ((string name, string path) in videos)
    {
        if (VideoFiles.Read(name, path, embedded, passedOver.Add) is { } clip)
        {
            rows.Add([name, prompts[name], .. rewards.Select(reward => Score(reward, clip, prompts[name], notes))]);
        }
    }

    if (rows.Count == 1)
    {
        throw new UsageException($"no video of '{folder}' could be read: {passedOver[^1]}");
    }

    var table = new Table().RoundedBorder();
    table.AddColumns([.. rows[0].Select(Markup.Escape)]);
    rows.Skip(1).ToList().ForEach(row => table.AddRow([.. row.Select(Markup.Escape)]));
    AnsiConsole.Write(table);
    notes.Distinct().ToList().ForEach(Console.Error.WriteLine);
    passedOver.ForEach(entry => Console.Error.WriteLine($"passed over: {entry.ReplaceLineEndings(" ")}"));

    TargetFile.Write(target, path => File.WriteAllLines(path, rows.Select(row => string.Join('\t', row))));
    string over = passedOver.Count > 0 ? $", {passedOver.Count} passed over" : "";
    Console.WriteLine($"{rows.Count - 1} videos, {rewards.Length} rewards{over}: {target}");
    return 0;
});

// A cell: the score, or "-" and a note where the reward cannot take this video, such as one of too few frames.
static string Score(VideoReward reward, VideoClip clip, string prompt, List<string> notes)
{
    using IDisposable mode = torch.no_grad();
    using DisposeScope scope = torch.NewDisposeScope();
    torch.Tensor frames = torch.tensor(clip.Values.ToArray()).reshape(1, clip.Frames, 3, clip.Height, clip.Width).permute(0, 2, 1, 3, 4);
    try
    {
        return reward.Score(frames, [prompt]).item<float>().ToString("0.####", CultureInfo.InvariantCulture);
    }
    catch (RewardContractException error)
    {
        notes.Add(error.Message);
        return "-";
    }
}
