namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>What is written behind a prompt before Open-Sora's text encoder reads it; a score that is null is not written. Defaults are VADER's.</summary>
internal sealed record OpenSoraPromptSettings
{
    public double? AestheticScore { get; init; } = 6.5;

    public double? MotionScore { get; init; }

    public string? CameraMotion { get; init; }

    /// <summary>The loop of a long video whose segment of the prompt is taken; VADER always makes loop 1.</summary>
    public int Loop { get; init; } = 1;

    /// <summary>The text for the encoder: scored, cleaned, and of segments the one of the loop.</summary>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    /// <exception cref="NotSupportedException">The prompt names references.</exception>
    public string TextOf(string prompt)
    {
        OpenSoraPrompt parsed = OpenSoraPrompt.Parse(prompt);
        if (parsed.ReferencePath.Length > 0)
        {
            throw new NotSupportedException($"The prompt names the reference '{parsed.ReferencePath}': files named in prompts are not read. Leave the part in braces out.");
        }

        return parsed.ForLoop(OpenSoraPrompt.Cleaned(parsed.Scored(AestheticScore, MotionScore, CameraMotion)), Loop);
    }
}
