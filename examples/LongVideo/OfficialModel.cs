using Microsoft.ML;
using Microsoft.ML.VideoAlignment;

namespace LongVideo;

/// <summary>A Stable Video Diffusion folder and a folder of images, in place of the embedded world.</summary>
internal sealed record OfficialModel
{
    public required string Model { get; init; }

    public required string Images { get; init; }

    /// <summary>V-JEPA's file; null: the embedded one.</summary>
    public string? VJepa { get; init; }

    /// <summary>Frames that V-JEPA was trained on at once.</summary>
    public int VJepaFrames { get; init; } = new VJepaOptions().Frames;

    /// <summary>Reads the options.</summary>
    /// <param name="line">The command line.</param>
    /// <returns>The model; null: the embedded one is asked for.</returns>
    /// <exception cref="UsageException">One of the options lacks another.</exception>
    public static OfficialModel? Read(CommandLine line)
    {
        (string? model, string? images, string? vjepa) = (line.Existing("--model"), line.Existing("--images"), line.Existing("--vjepa"));
        int frames = line.Number("--vjepa-frames", 0, minimum: 1);
        CommandLine.RequireFor(vjepa is null ? "--vjepa" : "--model", ("--vjepa-frames", frames > 0 && (vjepa is null || model is null)));
        if (model is null)
        {
            CommandLine.RequireFor("--model", ("--images", images is not null), ("--vjepa", vjepa is not null));
            return null;
        }

        var official = new OfficialModel { Model = model, Images = images ?? throw new UsageException("--model needs --images; see --help"), VJepa = vjepa };
        return frames > 0 ? official with { VJepaFrames = frames } : official;
    }

    /// <summary>Aligns the model by the paper's options and compares it on images that were not trained on.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="settings">Steps, seed and place of the results.</param>
    /// <param name="segments">Segments of a video.</param>
    /// <param name="carry">Whether gradient of later segments goes on into earlier ones.</param>
    /// <returns>The exit code.</returns>
    public int Run(CommandLine line, RunSettings settings, int segments, bool carry)
    {
        MLContext mlContext = settings.NewContext();
        (IReadOnlyList<string> train, IReadOnlyList<string> test) = CommandLine.Open("--images", () => VideoImages.TrainTestSplit(Images));
        if (test.Count < 2)
        {
            throw new UsageException($"--images: '{Images}' gives {test.Count} image to compare on, expected at least 2");
        }

        using VideoDiffusionModel model = CommandLine.Open("--model", () => VideoDiffusionModel.FromPretrained(Model));
        using VideoReward consistency = OpenReward();
        VideoAlignmentOptions paper = VideoAlignmentPresets.VaderStableVideoConsistency;
        int window = consistency.Contract.MinimumFrames;
        var options = paper with
        {
            Sampling = paper.Sampling with { SegmentCount = segments, ImageColumnName = nameof(ImageRow.Image) },
            Algorithm = AlignmentAlgorithm.RewardGradient(
                new() { Window = GradientWindow.MostSensitive(1), CarryGradientAcrossSegments = carry }),
            Reward = paper.Reward with { Frames = RewardFrames.Windows(window, window / 2) },
        };
        IDataView Table(IReadOnlyList<string> files) =>
            mlContext.Data.LoadFromImages(files, model.DefaultSize, file => Path.GetFileNameWithoutExtension(file));

        // After the files: where one of them cannot be read, no folder is left behind.
        using ResultFolder folder = settings.Open(line);
        return new AlignmentJob
        {
            Settings = settings,
            Model = model,
            Reward = consistency,
            Measures = [new Measure("consistency of the video", "heldOut", consistency, Weight: 1)],
            Options = options,
            Prompts = Table(train),
            Unseen = Table(test),
            ValidationRows = 2,
        }.Run(mlContext, folder);
    }

    private VideoReward OpenReward()
    {
        if (VJepa is not null)
        {
            return CommandLine.Open("--vjepa", () => VideoRewards.TemporalConsistency(VJepa, new VJepaOptions { Frames = VJepaFrames }));
        }

        Console.WriteLine("Without --vjepa the embedded V-JEPA scores the videos. It has seen the embedded world alone: this shows how it works, not what it "
            + "gives.");
        return MovingShapesRewards.TemporalConsistency();
    }
}
