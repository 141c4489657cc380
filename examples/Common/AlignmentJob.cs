using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.VideoAlignment;
using Spectre.Console;

namespace Examples;

/// <summary>One alignment from prompts to a result folder: what the examples that align a model have in common.</summary>
internal sealed record AlignmentJob
{
    /// <summary>Steps, seed, number of videos and place of the results.</summary>
    public required RunSettings Settings { get; init; }

    /// <summary>The base model; the caller disposes it.</summary>
    public required VideoDiffusionModel Model { get; init; }

    /// <summary>What the model is aligned to.</summary>
    public required VideoReward Reward { get; init; }

    /// <summary>What is measured before and after.</summary>
    public required IReadOnlyList<Measure> Measures { get; init; }

    /// <summary>How the model is aligned; steps, seed and validation prompts come from <see cref="Settings"/> and <see cref="Unseen"/>.</summary>
    public VideoAlignmentOptions Options { get; init; } = MovingShapesWorld.Options;

    /// <summary>Which steps carry gradient, in words; null: as the algorithm says it.</summary>
    public string? Gradient { get; init; }

    /// <summary>The prompts for training.</summary>
    public required IDataView Prompts { get; init; }

    /// <summary>Prompts that training does not see, to compare on.</summary>
    public required IDataView Unseen { get; init; }

    /// <summary>How many of the unseen prompts the reward is measured on during training; 0: none.</summary>
    public int ValidationRows { get; init; } = 8;

    /// <summary>Trains, saves the trained model, compares it with the base, and writes everything into the folder.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="folder">The result, which is finished here.</param>
    /// <returns>The exit code: 0 if the saved model gives the same video as the trained one.</returns>
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

        // First what cannot be made again without training.
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

        Console.WriteLine($"aligned.zip, loaded in a new MLContext, gives {(same ? "the same frames, bit for bit." : "OTHER frames.")}");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Stopwatch.GetElapsedTime(started):m\\:ss} min; before.gif, after.gif, before-after.gif, frames.png, reward.png, videos, aligned.zip, "
                + $"run-card.json are in {place}"));
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

    /// <summary>Trains.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="run">Where the run's state is, so that it can go on later.</param>
    /// <param name="interruption">What ends it early.</param>
    /// <returns>The aligned model, which the caller disposes, and the steps that were done.</returns>
    public (VideoAlignmentTransformer Aligned, IReadOnlyList<VideoAlignmentProgress> Curve) Train(
        MLContext mlContext, InterruptedRun run, Interruption interruption)
    {
        var view = new TrainingView(Settings.Steps, run);
        VideoAlignmentOptions options = Options with
        {
            Optimizer = Options.Optimizer with { Steps = Settings.Steps },
            Validation = Options.Validation with { Data = ValidationRows > 0 ? mlContext.Data.TakeRows(Unseen, ValidationRows) : null },
            Seed = Settings.Seed,
        };
        var control = new RunControl { Progress = view, CancellationToken = interruption.Training, RunFolder = run.Folder, StateEvery = 1 };
        VideoAlignmentEstimator estimator = CommandLine.Open(
            Model.Source, () => mlContext.Transforms.AlignVideoDiffusion(Columns.Aligned, nameof(PromptRow.Prompt), Model, Reward, options, control));
        Describe(options.ResolveFor(Model, Reward));
        interruption.Trained = false;
        VideoAlignmentTransformer aligned = view.Run(() => estimator.Fit(Prompts));
        interruption.Trained = true;
        return (aligned, view.Curve);
    }

    /// <summary>Compares the aligned model with its base on unseen prompts.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="aligned">What training gave.</param>
    /// <param name="interruption">What ends the comparison early.</param>
    /// <returns>The comparison; null: the user ended it.</returns>
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

    /// <summary>Prints the settings.</summary>
    /// <param name="options">The options, with what the model decides filled in.</param>
    private void Describe(VideoAlignmentOptions options)
    {
        Table table = new Table().RoundedBorder().HideHeaders().AddColumns("", "");
        void Row(string name, FormattableString value) => table.AddRow(name, Markup.Escape(value.ToString(CultureInfo.InvariantCulture)));
        (VideoSamplingOptions sampling, OptimizerOptions optimizer) = (options.Sampling, options.Optimizer);
        Row("model", $"{Model.Source} ({Model.Family}), {sampling.Frames * sampling.SegmentCount} frames of {sampling.Width} x {sampling.Height}");
        Row("reward", $"{Reward.Name}");
        long queries = (long)optimizer.Steps * optimizer.BatchSize * optimizer.AccumulationSteps;
        Row("steps", $"{optimizer.Steps} of batch {optimizer.BatchSize} x {optimizer.AccumulationSteps}: {queries} reward queries");
        object gradient = Gradient is null ? options.Algorithm : $"gradient through {Gradient}";
        Row("sampling", $"{sampling.Steps} denoising steps, guidance {sampling.GuidanceScale}, {gradient}");
        Row("LoRA", $"rank {options.Lora.Rank}, alpha {options.Lora.Alpha}");
        Row(
            "optimizer",
            $"AdamW, learning rate {optimizer.LearningRate}, weight decay {optimizer.WeightDecay}, gradient norm at most {optimizer.MaxGradientNorm}");
        Row("seed", $"{Settings.Seed}");
        Row("results", $"{Settings.Out}");
        AnsiConsole.Write(table);
    }
}
