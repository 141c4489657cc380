using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace Examples;

/// <summary>One alignment from prompts to a result folder: what the examples that align a model have in common.</summary>
internal sealed record AlignmentJob
{
    public required RunSettings Settings { get; init; }

    public required VideoDiffusionModel Model { get; init; }

    /// <summary>What the model is aligned to.</summary>
    public required VideoReward Reward { get; init; }

    /// <summary>What is measured before and after.</summary>
    public required IReadOnlyList<Measure> Measures { get; init; }

    /// <summary>How; steps, seed and held-out prompts come from elsewhere.</summary>
    public VideoAlignmentOptions Options { get; init; } = MovingShapesWorld.Options;

    /// <summary>Which steps carry gradient, in words; needed where the options name a window.</summary>
    public string? Gradient { get; init; }

    public required IDataView Prompts { get; init; }

    public required IDataView Unseen { get; init; }

    /// <summary>Unseen prompts that the reward is measured on along the way.</summary>
    public int HeldOutPrompts { get; init; } = 8;

    /// <summary>Where the run's state is, so that it can go on later; null: nowhere.</summary>
    public InterruptedRun? Interrupted { get; init; }

    /// <summary>Trains, compares, writes everything into the folder and finishes it. Returns the exit code.</summary>
    public int Run(MLContext mlContext, ResultFolder folder)
    {
        long started = Stopwatch.GetTimestamp();
        (VideoAlignmentTransformer transformer, IReadOnlyList<VideoAlignmentProgress> curve, Comparison comparison) = Train(mlContext);
        using VideoAlignmentTransformer aligned = transformer;
        if (curve.Count == 0)
        {
            Console.WriteLine("Stopped before the first step was done: there is nothing to compare.");
            return 1;
        }

        comparison.Print();

        comparison.WriteFilms(folder);
        RewardPlot.Write(folder["reward.png"], curve, comparison.Ends(curve[^1].Step));
        mlContext.Model.Save(aligned, Prompts.Schema, folder["aligned.zip"]);
        bool same = Reload.GivesTheSameFilm(folder["aligned.zip"], Unseen, comparison.Films[0]);
        RunCard.Write(folder["run-card.json"], this, curve, comparison, same);
        string place = folder.Finish();

        Console.WriteLine(same ? "aligned.zip, loaded in a new MLContext, gives the same frames, bit for bit." : "aligned.zip, loaded in a new MLContext, gives OTHER frames.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(started):m\\:ss} min; before.gif, after.gif, before-after.gif, frames.png, reward.png, aligned.zip, run-card.json are in {place}"));
        if (curve[^1].Step < Settings.Steps)
        {
            Console.WriteLine($"Stopped after step {curve[^1].Step} of {Settings.Steps}.{GoOn}");
        }
        else
        {
            Interrupted?.Remove();
        }

        return same ? 0 : 1;
    }

    /// <summary>Trains and compares; the caller disposes the transformer.</summary>
    public (VideoAlignmentTransformer Aligned, IReadOnlyList<VideoAlignmentProgress> Curve, Comparison Comparison) Train(MLContext mlContext)
    {
        // The first Ctrl+C ends training after the step under way and goes on to the comparison; the second ends the program.
        using var stop = new CancellationTokenSource();
        void Stop(object? sender, ConsoleCancelEventArgs key)
        {
            key.Cancel = !stop.IsCancellationRequested;
            if (key.Cancel)
            {
                Console.WriteLine($"Stopping after the step under way; Ctrl+C again ends the program.{GoOn}");
            }

            stop.Cancel();
        }

        var view = new TrainingView(Settings.Steps, Interrupted);
        VideoAlignmentOptions options = Options with
        {
            Steps = Settings.Steps,
            HeldOutData = HeldOutPrompts > 0 ? mlContext.Data.TakeRows(Unseen, HeldOutPrompts) : null,
            Seed = Settings.Seed,
            Progress = view,
            CancellationToken = stop.Token,
            RunFolder = Interrupted?.Folder,
            StateEvery = 1,
        };
        Describe(options);

        VideoAlignmentEstimator estimator = mlContext.Transforms.AlignVideoDiffusion(Columns.Aligned, nameof(PromptRow.Prompt), Model, Reward, options);
        Console.CancelKeyPress += Stop;
        try
        {
            VideoAlignmentTransformer aligned = view.Run(() => estimator.Fit(Prompts));
            return (aligned, view.Curve, Comparison.Run(mlContext, aligned, Unseen, Settings.Films, Measures));
        }
        finally
        {
            Console.CancelKeyPress -= Stop;
        }
    }

    private string GoOn => Interrupted is { } run ? $" To go on: {run.Command}" : "";

    private void Describe(VideoAlignmentOptions options)
    {
        VideoSize size = Model.DefaultSize with { Frames = Model.DefaultSize.Frames * options.SegmentCount };
        Table table = new Table().RoundedBorder().HideHeaders().AddColumns("", "");
        void Row(string name, FormattableString value) => table.AddRow(name, Markup.Escape(value.ToString(CultureInfo.InvariantCulture)));
        Row("model", $"{Model.Source} ({Model.Family}), {size.Frames} frames of {size.Width} x {size.Height}");
        Row("reward", $"{Reward.Name}");
        Row("steps", $"{options.Steps} of batch {options.BatchSize} x {options.AccumulationSteps}: {(long)options.Steps * options.BatchSize * options.AccumulationSteps} reward queries");
        Row("sampling", $"{options.InferenceSteps} denoising steps, guidance {options.GuidanceScale}, gradient through {Gradient ?? FormattableString.Invariant($"the last {options.GradientSteps}")}");
        Row("LoRA", $"rank {options.LoraRank}, alpha {options.LoraAlpha}");
        Row("optimizer", $"AdamW, learning rate {options.LearningRate}, weight decay {options.WeightDecay}, gradient norm at most {options.MaxGradientNorm}");
        Row("seed", $"{Settings.Seed}");
        Row("results", $"{Settings.Out}");
        AnsiConsole.Write(table);
    }
}
