using System.Globalization;
using System.Text;

namespace Microsoft.ML.VideoAlignment;

/// <summary>What a reward declares about itself. Frames are always [B, 3, T, H, W], RGB in [0, 1], and scores always [B]; the contract says the rest.</summary>
/// <remarks><see cref="RewardContractCheck"/> tries it before training begins.</remarks>
public sealed record RewardContract
{
    /// <summary>Whether the score carries gradient back to the frames. Default true.</summary>
    public bool IsDifferentiable { get; init; } = true;

    /// <summary>
    /// Whether the gradient may rightly be zero, as of a detector that finds nothing to remove. Default false: a gradient of zero on the trial frames is
    /// refused.
    /// </summary>
    /// <remarks>The score must carry a graph back to the frames all the same.</remarks>
    public bool GradientMayVanish { get; init; }

    /// <summary>Whether the score depends on the prompt. Default false.</summary>
    public bool ReadsPrompt { get; init; }

    /// <summary>Fewest frames the reward can score; default 1, for rewards that score images.</summary>
    public int MinimumFrames { get; init; } = 1;

    /// <summary>The number of frames must be a multiple of this; default 1. A network with tubelets of two frames says 2.</summary>
    public int FrameMultiple { get; init; } = 1;

    /// <summary>Frames per second the reward was trained at; null (default) where time does not matter to it.</summary>
    public double? FramesPerSecond { get; init; }

    /// <summary>Whether the score of a video is the mean over its frames, so that any frame may be drawn to estimate it. Default true.</summary>
    public bool ScoresFramesSeparately { get; init; } = true;

    /// <summary>Height and width the reward resizes frames to, in pixels; null (default) when it takes any size as it is.</summary>
    public (int Height, int Width)? WorkingSize { get; init; }

    /// <summary>How the reward brings frames to its working size, such as "stretched, bilinear with antialias"; null when it does not.</summary>
    public string? Resizing { get; init; }

    /// <summary>Where scores are expected to lie. Default: anywhere.</summary>
    public (float Low, float High) ScoreRange { get; init; } = (float.NegativeInfinity, float.PositiveInfinity);

    /// <summary>Which way the score improves. Default: higher is better.</summary>
    public ScoreDirection Direction { get; init; }

    /// <summary>Reward models evaluated for each video and call; default 1. A mix counts its parts.</summary>
    /// <remarks>Runs report the sum.</remarks>
    public int QueriesPerCall { get; init; } = 1;

    /// <summary>The contract in lines, as printed before a run.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        string multiple = FrameMultiple > 1 ? $" and a multiple of {FrameMultiple}" : "";
        Line("frames", $"[B, 3, T, H, W], floating-point RGB in [0, 1], T >= {MinimumFrames}{multiple}{Rate()}");
        Line("working size", WorkingSize is { } size ? $"{size.Height} x {size.Width}{(Resizing is null ? "" : $", {Resizing}")}" : Resizing ?? "any");
        Line("reads the prompt", ReadsPrompt ? "yes" : "no");
        Line("score", $"[B], {(ScoresFramesSeparately ? "mean over frames" : "of the whole video")}, "
            + $"expected in {Number(ScoreRange.Low)} .. {Number(ScoreRange.High)}, "
            + (Direction == ScoreDirection.HigherIsBetter ? "higher is better" : "lower is better"));
        Line("gradient", IsDifferentiable ? $"differentiable{(GradientMayVanish ? ", may be zero" : "")}" : "none");
        Line("queries per call", QueriesPerCall.ToString(CultureInfo.InvariantCulture));
        return text.ToString().TrimEnd();

        void Line(string what, string value) => text.Append(what.PadRight(18)).AppendLine(value);
        string Rate() => FramesPerSecond is { } rate ? string.Create(CultureInfo.InvariantCulture, $", {rate} frames per second") : ", any frame rate";
        static string Number(float value) => value.ToString("0.####", CultureInfo.InvariantCulture);
    }

    /// <summary>Checks the record itself; all faults in one message.</summary>
    /// <param name="reward">The reward's name, for the message.</param>
    /// <exception cref="RewardContractException">The contract contradicts itself.</exception>
    internal void Validate(string reward)
    {
        var faults = new List<string>();
        Require(MinimumFrames >= 1, $"{nameof(MinimumFrames)} must be at least 1, got {MinimumFrames}");
        Require(FrameMultiple >= 1, $"{nameof(FrameMultiple)} must be at least 1, got {FrameMultiple}");
        Require(FramesPerSecond is null or > 0, $"{nameof(FramesPerSecond)} must be above 0 or null, got {FramesPerSecond}");
        Require(WorkingSize is null or { Height: > 0, Width: > 0 }, $"{nameof(WorkingSize)} must be at least 1 x 1 or null, got {WorkingSize}");
        Require(ScoreRange.Low < ScoreRange.High, $"{nameof(ScoreRange)} must run upwards, got {ScoreRange.Low} .. {ScoreRange.High}");
        Require(QueriesPerCall >= 0, $"{nameof(QueriesPerCall)} must not be negative, got {QueriesPerCall}");
        if (faults.Count > 0)
        {
            throw new RewardContractException($"The contract of reward '{reward}' cannot hold: {string.Join("; ", faults)}.");
        }

        void Require(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }
}
