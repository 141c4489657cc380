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

    /// <summary>Trains, keeps what was trained, compares, writes everything into the folder and finishes it. Returns the exit code.</summary>
    public int Run(MLContext mlContext, ResultFolder folder)
    {
        long started = Stopwatch.GetTimestamp();
        InterruptedRun run = folder.Interrupted;
        using var interruption = new Interruption(run.HowToGoOn);
        (VideoAlignmentTransformer aligned, IReadOnlyList<VideoAlignmentProgress> curve) = Train(mlContext, run, interruption);
        using VideoAlignmentTransformer owner = aligned;
        if (curve.Count == 0)
        {
            Console.WriteLine("Stopped before the first step was done: there is nothing to compare.");
            return Math.Max(1, interruption.ExitCode);
        }

        // First of all what cannot be had again without training.
        Save(mlContext, aligned, folder);
        if (Compare(mlContext, aligned, interruption) is not { } comparison)
        {
            Console.WriteLine($"Stopped after step {curve[^1].Step} of {Settings.Steps}.{run.HowToGoOn}");
            return interruption.ExitCode;
        }

        comparison.Print();
        comparison.WriteVideos(folder);
        RewardPlot.Write(folder["reward.png"], curve, comparison.Ends(curve[^1].Step));
        bool same = Reload.GivesTheSameVideo(folder[ResultFolder.Trained], Unseen, comparison.Videos[0]);
        RunCard.Write(folder, this, curve, comparison, same);
        string place = folder.Finish();

        Console.WriteLine(same ? "aligned.zip, loaded in a new MLContext, gives the same frames, bit for bit." : "aligned.zip, loaded in a new MLContext, gives OTHER frames.");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Stopwatch.GetElapsedTime(started):m\\:ss} min; before.gif, after.gif, before-after.gif, frames.png, reward.png, videos, aligned.zip, run-card.json are in {place}"));
        if (curve[^1].Step < Settings.Steps)
        {
            Console.WriteLine($"Stopped after step {curve[^1].Step} of {Settings.Steps}.{run.HowToGoOn}");
        }
        else
        {
            run.Remove();
        }

        return same ? 0 : 1;
    }

    /// <summary>Trains; the caller disposes the transformer.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="run">Where the run's state is, so that it can go on later.</param>
    /// <param name="interruption">What ends it early.</param>
    public (VideoAlignmentTransformer Aligned, IReadOnlyList<VideoAlignmentProgress> Curve) Train(MLContext mlContext, InterruptedRun run, Interruption interruption)
    {
        var view = new TrainingView(Settings.Steps, run);
        VideoAlignmentOptions options = Options with
        {
            Steps = Settings.Steps,
            HeldOutData = HeldOutPrompts > 0 ? mlContext.Data.TakeRows(Unseen, HeldOutPrompts) : null,
            Seed = Settings.Seed,
            Progress = view,
            CancellationToken = interruption.Training,
            RunFolder = run.Folder,
            StateEvery = 1,
        };
        VideoAlignmentEstimator estimator = CommandLine.Open(
            Model.Source, () => mlContext.Transforms.AlignVideoDiffusion(Columns.Aligned, nameof(PromptRow.Prompt), Model, Reward, options));
        Describe(options.ResolveFor(Model, Reward));
        interruption.Trained = false;
        VideoAlignmentTransformer aligned = view.Run(() => estimator.Fit(Prompts));
        interruption.Trained = true;
        return (aligned, view.Curve);
    }

    /// <summary>Base against aligned; null: the user did not want to wait for it.</summary>
    public Comparison? Compare(MLContext mlContext, VideoAlignmentTransformer aligned, Interruption interruption)
    {
        try
        {
            interruption.Comparison.ThrowIfCancellationRequested();
            return Comparison.Run(mlContext, aligned, Unseen, Settings.Videos, Measures, interruption.Comparison);
        }
        catch (OperationCanceledException) when (interruption.Comparison.IsCancellationRequested)
        {
            return null;
        }
    }

    private void Save(MLContext mlContext, VideoAlignmentTransformer aligned, ResultFolder folder)
    {
        string path = folder[ResultFolder.Trained];
        try
        {
            TargetFile.Write(path, temporary => mlContext.Model.Save(aligned, Prompts.Schema, temporary));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            InterruptedRun run = folder.Interrupted;
            throw new IOException($"{path} cannot be written ({error.Message}). The weights are in {run.Folder}: make room first.{run.HowToGoOn}", error);
        }
    }

    private string Window(VideoAlignmentOptions resolved) => resolved.GradientWindow == GradientWindow.LastSteps(Options.GradientSteps)
        ? FormattableString.Invariant($"the last {Options.GradientSteps}")
        : FormattableString.Invariant($"the {Options.GradientSteps} that move the video most");

    /// <summary>Prints the settings, with what the model decides in them.</summary>
    private void Describe(VideoAlignmentOptions options)
    {
        Table table = new Table().RoundedBorder().HideHeaders().AddColumns("", "");
        void Row(string name, FormattableString value) => table.AddRow(name, Markup.Escape(value.ToString(CultureInfo.InvariantCulture)));
        Row("model", $"{Model.Source} ({Model.Family}), {options.Frames * options.SegmentCount} frames of {options.Width} x {options.Height}");
        Row("reward", $"{Reward.Name}");
        Row("steps", $"{options.Steps} of batch {options.BatchSize} x {options.AccumulationSteps}: {(long)options.Steps * options.BatchSize * options.AccumulationSteps} reward queries");
        Row("sampling", $"{options.InferenceSteps} denoising steps, guidance {options.GuidanceScale}, gradient through {Gradient ?? Window(options)}");
        Row("LoRA", $"rank {options.LoraRank}, alpha {options.LoraAlpha}");
        Row("optimizer", $"AdamW, learning rate {options.LearningRate}, weight decay {options.WeightDecay}, gradient norm at most {options.MaxGradientNorm}");
        Row("seed", $"{Settings.Seed}");
        Row("results", $"{Settings.Out}");
        AnsiConsole.Write(table);
    }
}
