using System.Diagnostics;
using System.Globalization;
using AlignAesthetic;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;
using Columns = AlignAesthetic.Columns;

// Unseen prompts that the reward is measured on along the way.
const int HeldOutPrompts = 8;

try
{
    Settings settings = Settings.Parse(args);
    if (settings.WantsHelp)
    {
        Console.WriteLine(Settings.Help);
        return 0;
    }

    return Run(settings);
}
catch (UsageException error)
{
    Console.Error.WriteLine($"AlignAesthetic: {error.Message}");
    return 2;
}

static int Run(Settings settings)
{
    long started = Stopwatch.GetTimestamp();
    using var folder = new ResultFolder(settings.Out);
    var mlContext = new MLContext(settings.Seed) { GpuDeviceId = 0, FallbackToCpu = true };
    using VideoDiffusionModel model = Open("--model", () => settings.Model is null ? VideoDiffusionModel.MovingShapes() : VideoDiffusionModel.FromPretrained(settings.Model));
    using Rewards rewards = Open("--clip, --head", () => Rewards.Open(settings));
    IDataView prompts = mlContext.Data.LoadFromTextFile<PromptRow>(settings.Prompts ?? Prompts("train.tsv"), hasHeader: true);
    IDataView unseen = mlContext.Data.LoadFromTextFile<PromptRow>(settings.Unseen ?? Prompts("unseen.tsv"), hasHeader: true);

    // The first Ctrl+C ends training after the step under way and goes on to the comparison; the second ends the program.
    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, key) =>
    {
        key.Cancel = !stop.IsCancellationRequested;
        stop.Cancel();
    };
    var view = new TrainingView(settings.Steps);
    VideoAlignmentOptions options = (settings.Model is null ? MovingShapesOptions() : new VideoAlignmentOptions()) with
    {
        Steps = settings.Steps,
        HeldOutPrompts = [.. mlContext.Data.CreateEnumerable<PromptRow>(mlContext.Data.TakeRows(unseen, HeldOutPrompts), reuseRowObject: false).Select(row => row.Prompt)],
        Seed = settings.Seed,
        Progress = view,
        CancellationToken = stop.Token,
    };
    Describe(settings, model, rewards, options);

    VideoAlignmentEstimator estimator = mlContext.Transforms.AlignVideoDiffusion(Columns.Aligned, nameof(PromptRow.Prompt), model, rewards.Training, options);
    using VideoAlignmentTransformer aligned = view.Run(() => estimator.Fit(prompts));
    Comparison comparison = Comparison.Run(mlContext, aligned, unseen, settings.Films, rewards);
    comparison.Print();

    comparison.WriteFilms(folder);
    RewardPlot.Write(folder["reward.png"], view.Curve, comparison.Ends(view.Curve[^1].Step, rewards));
    mlContext.Model.Save(aligned, prompts.Schema, folder["aligned.zip"]);
    bool same = Reload.GivesTheSameFilm(folder["aligned.zip"], comparison.Films[0]);
    RunCard.Write(folder["run-card.json"], settings, model, rewards.Training, view, comparison, same);
    string place = folder.Finish();

    Console.WriteLine(same ? "aligned.zip, loaded in a new MLContext, gives the same frames, bit for bit." : "aligned.zip, loaded in a new MLContext, gives OTHER frames.");
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(started):m\\:ss} min; before.gif, after.gif, before-after.gif, frames.png, reward.png, aligned.zip, run-card.json are in {place}"));
    return same ? 0 : 1;
}

// The prompts that ship with the embedded model; no colour, shape and motion of the unseen ones occur together in the others.
static string Prompts(string file) => Path.Combine(AppContext.BaseDirectory, "MovingShapes", "prompts", file);

static T Open<T>(string options, Func<T> open)
{
    try
    {
        return open();
    }
    catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException or InvalidDataException)
    {
        throw new UsageException($"{options}: {error.Message.ReplaceLineEndings(" ")}");
    }
}

// Found by trial for the embedded model: LoRA in every layer, gradient through one step of 20, guidance 2 (more saturates colours).
static VideoAlignmentOptions MovingShapesOptions() => new()
{
    LoraRank = 8,
    LoraAlpha = 8,
    LearningRate = 1e-3,
    BatchSize = 4,
    InferenceSteps = 20,
    GuidanceScale = 2,
    GradientSteps = 1,
    Recompute = false,
};

static void Describe(Settings settings, VideoDiffusionModel model, Rewards rewards, VideoAlignmentOptions options)
{
    VideoSize size = model.DefaultSize;
    Table table = new Table().RoundedBorder().HideHeaders().AddColumns("", "");
    void Row(string name, FormattableString value) => table.AddRow(name, Markup.Escape(value.ToString(CultureInfo.InvariantCulture)));
    Row("model", $"{model.Source} ({model.Family}), {size.Frames} frames of {size.Width} x {size.Height}");
    Row("reward", $"{rewards.Training.Name}");
    Row("steps", $"{options.Steps} of batch {options.BatchSize} x {options.AccumulationSteps}: {(long)options.Steps * options.BatchSize * options.AccumulationSteps} reward queries");
    Row("sampling", $"{options.InferenceSteps} denoising steps, guidance {options.GuidanceScale}, gradient through the last {options.GradientSteps}");
    Row("LoRA", $"rank {options.LoraRank}, alpha {options.LoraAlpha}");
    Row("optimizer", $"AdamW, learning rate {options.LearningRate}, weight decay {options.WeightDecay}, gradient norm at most {options.MaxGradientNorm}");
    Row("seed", $"{settings.Seed}");
    Row("results", $"{settings.Out}");
    AnsiConsole.Write(table);
}
