using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>
/// One run of the comparison and all that decides its numbers: the unit that is done or not done. Equal cells of two tables are one run.
/// </summary>
internal sealed record ExperimentConfig
{
    public const string Text = "text", Image = "image";

    /// <summary>A name of <see cref="Methods"/>.</summary>
    public required string Method { get; init; }

    /// <summary>A name of <see cref="PaperRewards"/>.</summary>
    public required string Reward { get; init; }

    public required int Seed { get; init; }

    /// <summary>The embedded text-to-video model or the image-to-video model.</summary>
    public string Model { get; init; } = Text;

    public required double LearningRate { get; init; }

    /// <summary>Videos scored in training.</summary>
    public required int Queries { get; init; }

    /// <summary>Videos of one pass.</summary>
    public required int Batch { get; init; }

    public required int SamplerSteps { get; init; }

    public required double Guidance { get; init; }

    public required double Eta { get; init; }

    /// <summary>Width and height in pixels.</summary>
    public required int Size { get; init; }

    /// <summary>Steps with gradient, as <see cref="Methods.Window"/> reads them.</summary>
    public string Window { get; init; } = Methods.LastStep;

    /// <summary>Whether every frame is decoded and scored in training, or one drawn at random (rewards of whole videos always see all).</summary>
    public bool AllFrames { get; init; }

    /// <summary>Segments of a video, each from the last frame of the one before.</summary>
    public int Segments { get; init; } = 1;

    /// <summary>Prompts of alignment; as many unseen ones are measured.</summary>
    public required int Prompts { get; init; }

    /// <summary>Training videos between two measurements of unseen prompts; 0: none.</summary>
    public required int MeasureEvery { get; init; }

    /// <summary>Videos of unseen prompts that are kept.</summary>
    public int Videos { get; init; }

    /// <summary>A file name: different cells of one campaign differ in it.</summary>
    public string Name => string.Create(
        CultureInfo.InvariantCulture,
        $"{Method}-{Reward.Replace(' ', '-')}-{(Model == Text ? "" : Model + "-")}{(Segments == 1 ? "" : Segments + "x-")}{Size}px-{Window.Replace(' ', '-')}-"
            + $"{(AllFrames ? "all" : "one")}-{Queries}q-lr{LearningRate:0e+0}-{(MeasureEvery > 0 ? "" : "unmeasured-")}seed{Seed}");
}

/// <summary>What came of it.</summary>
internal sealed record CellResult
{
    public required ExperimentConfig Cell { get; init; }

    /// <summary>The training reward of unseen prompts along the way.</summary>
    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>Mean scores on videos of prompts of alignment, by <see cref="PaperRewards.Measures"/>.</summary>
    public required IReadOnlyDictionary<string, double> Aligned { get; init; }

    /// <summary>The same on unseen prompts.</summary>
    public required IReadOnlyDictionary<string, double> Unseen { get; init; }

    /// <summary>Time of training, measurements taken out.</summary>
    public required double Seconds { get; init; }

    public required double CpuSeconds { get; init; }

    /// <summary>Peak resident memory of the run above what was resident before it; null where the system does not tell.</summary>
    public long? PeakBytes { get; init; }

    /// <summary>Processor and runtime.</summary>
    public required string Machine { get; init; }

    /// <summary>The library's commit.</summary>
    public required string Commit { get; init; }
}
