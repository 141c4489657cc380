using Microsoft.ML.VideoAlignment.MovingShapes.Stages;

// Trains the world that ships with the library and writes its files:
//   dotnet run -c Release --project build/Microsoft.ML.VideoAlignment.MovingShapes.Training -- --out FOLDER [--stage NAME] [--steps N] [--threads N] [--videos
// N] [--guidance N] A stage that is finished is skipped, one that was interrupted goes on; without --stage all run in turn.
(string Name, Action<Workshop> Run)[] stages =
[
    (WordsStage.Name, WordsStage.Run),
    (ImagesStage.Name, ImagesStage.Run),
    (VaeStage.Name, VaeStage.Run),
    (ClipStage.Name, ClipStage.Run),
    (HeadStage.Name, HeadStage.Run),
    (PreferenceStage.Name, PreferenceStage.Run),
    (ActionStage.Name, ActionStage.Run),
    (DetectorStage.Name, DetectorStage.Run),
    (ConsistencyStage.Name, ConsistencyStage.Run),
    (LatentStage.Name, LatentStage.Run),
    (UNetStage.Name, UNetStage.Run),
    (TemporalVaeStage.Name, TemporalVaeStage.Run),
    (ImageEncoderStage.Name, ImageEncoderStage.Run),
    (ExcerptStage.Name, ExcerptStage.Run),
    (ImageToVideoStage.Name, ImageToVideoStage.Run),
    (ShipStage.Name, ShipStage.Run),
    (ReportStage.Name, ReportStage.Run),
    (ImageToVideoReport.Name, ImageToVideoReport.Run),
];

string? Option(string name) => Array.IndexOf(args, name) is int at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;
int? Number(string name) => Option(name) is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : null;

string[] known = ["--out", "--stage", "--steps", "--threads", "--videos", "--guidance"];
if (Option("--out") is not { } folder || args.Where((_, i) => i % 2 == 0).Any(name => !known.Contains(name))
    || (Option("--stage") is { } only && stages.All(stage => stage.Name != only)))
{
    Console.Error.WriteLine(
        $"Usage: --out FOLDER [--stage {string.Join('|', stages.Select(stage => stage.Name))}] [--steps N] [--threads N] [--videos N] [--guidance N]");
    return 2;
}

// One thread inside an operation: a batch is computed in two halves side by side (see TrainingRun).
set_num_threads(Number("--threads") ?? 1);
var workshop = new Workshop(folder)
{
    Steps = Number("--steps"),
    Videos = Number("--videos") ?? ReportStage.DefaultVideos,
    Guidance = Option("--guidance") is { } scale ? double.Parse(scale, System.Globalization.CultureInfo.InvariantCulture) : ReportStage.DefaultGuidance
};
foreach ((string name, Action<Workshop> run) in stages.Where(stage => Option("--stage") is not { } chosen || chosen == stage.Name))
{
    workshop.Log.Write($"stage {name}");
    run(workshop);
}

return 0;
