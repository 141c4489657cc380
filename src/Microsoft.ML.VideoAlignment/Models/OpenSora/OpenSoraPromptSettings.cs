namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>What is written behind a prompt before Open-Sora's text encoder reads it; a score that is null is not written. Defaults are VADER's.</summary>
internal sealed record OpenSoraPromptSettings
{
    public double? AestheticScore { get; init; } = 6.5;

    public double? MotionScore { get; init; }

    public string? CameraMotion { get; init; }

    /// <summary>
    /// The loop that a video of one clip is. VADER's scripts hand the number of loops, 1, to what asks for the index of one; videos of several clips count
    /// from 0, as Open-Sora's own script does.
    /// </summary>
    public int Loop { get; init; } = 1;

    /// <summary>The loop that clip <paramref name="segment"/> of a video of <paramref name="segments"/> is.</summary>
    public int LoopOf(int segment, int segments) => segments == 1 ? Loop : segment;

    /// <summary>The text for the encoder: scored, cleaned, and of segments the one of the loop.</summary>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    public string TextOf(string prompt, int loop)
    {
        OpenSoraPrompt parsed = OpenSoraPrompt.Parse(prompt);
        return parsed.ForLoop(OpenSoraPrompt.Cleaned(parsed.Scored(AestheticScore, MotionScore, CameraMotion)), loop);
    }

    /// <summary>The texts of a video's clips, equal ones once.</summary>
    public IEnumerable<string> TextsOf(string prompt, int segments) => Enumerable.Range(0, segments).Select(segment => TextOf(prompt, LoopOf(segment, segments))).Distinct();
}
