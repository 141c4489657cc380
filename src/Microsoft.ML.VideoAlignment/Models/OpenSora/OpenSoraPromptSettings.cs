namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>What is written after a prompt before Open-Sora's text encoder reads it. Defaults are VADER's.</summary>
internal sealed record OpenSoraPromptSettings
{
    /// <summary>The aesthetic score; null: it is not written.</summary>
    public double? AestheticScore { get; init; } = 6.5;

    /// <summary>The motion score; null: it is not written.</summary>
    public double? MotionScore { get; init; }

    /// <summary>How the camera moves; null: it is not written.</summary>
    public string? CameraMotion { get; init; }

    /// <summary>
    /// The loop that a video of one segment is. VADER's scripts hand the number of loops, 1, to what asks for the index of one; videos of several segments
    /// count from 0, as Open-Sora's own script does.
    /// </summary>
    public int Loop { get; init; } = 1;

    /// <summary>Gives the loop that a segment is.</summary>
    /// <param name="segment">Which segment of the video, from 0.</param>
    /// <param name="segments">Segments of the video.</param>
    public int GetLoop(int segment, int segments) => segments == 1 ? Loop : segment;

    /// <summary>Gives the text for the encoder: scored, cleaned, and of a prompt with several texts the one of the loop.</summary>
    /// <param name="prompt">The prompt in Open-Sora's notation.</param>
    /// <param name="loop">The loop.</param>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    public string GetText(string prompt, int loop)
    {
        OpenSoraPrompt parsed = OpenSoraPrompt.Parse(prompt);
        return parsed.SelectForLoop(OpenSoraPrompt.Clean(parsed.AddScores(AestheticScore, MotionScore, CameraMotion)), loop);
    }

    /// <summary>Gives the texts of a video's segments, equal ones once.</summary>
    /// <param name="prompt">The prompt in Open-Sora's notation.</param>
    /// <param name="segments">Segments of the video.</param>
    public IEnumerable<string> GetTexts(string prompt, int segments) =>
        Enumerable.Range(0, segments).Select(segment => GetText(prompt, GetLoop(segment, segments))).Distinct();
}
