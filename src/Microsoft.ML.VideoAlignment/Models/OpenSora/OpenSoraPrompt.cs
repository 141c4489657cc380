using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Models.OpenSora;

/// <summary>
/// A prompt in Open-Sora's notation: <c>text {"reference_path": "...", "mask_strategy": "..."}</c>, where the text may be cut into segments that hold from a
/// loop on: <c>|0| a sunny day |2| a rainy day</c>. Reference: Open-Sora 1.2, inference_utils.
/// </summary>
internal sealed record OpenSoraPrompt
{
    private const string AestheticWords = "aesthetic score:";
    private const string MotionWords = "motion score:";
    private const string CameraWords = "camera motion:";

    private static readonly string[] s_videoExtensions = [".mp4", ".avi", ".mov", ".mkv", ".webm"];

    private OpenSoraPrompt()
    {
    }

    /// <summary>What stands before the JSON suffix, as it is.</summary>
    public required string Text { get; init; }

    /// <summary>Images or videos to start from, divided by ';'; empty: none.</summary>
    public string ReferencePath { get; private init; } = "";

    /// <summary>Which frames are given, in Open-Sora's notation; empty: none.</summary>
    public string MaskStrategy { get; private init; } = "";

    /// <summary>The texts, one for each range of loops.</summary>
    public required IReadOnlyList<string> Segments { get; init; }

    /// <summary>The loop from which each segment holds; null: one segment for all.</summary>
    public IReadOnlyList<int>? Loops { get; private init; }

    /// <summary>Reads the notation.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <exception cref="FormatException">The suffix is not a JSON object with these keys, or a segment lacks its number or its text.</exception>
    public static OpenSoraPrompt Parse(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int brace = prompt.IndexOf('{', StringComparison.Ordinal);
        string text = brace < 0 ? prompt : prompt[..brace];
        (IReadOnlyList<string> segments, IReadOnlyList<int>? loops) = Split(text);
        var parsed = new OpenSoraPrompt { Text = text, Segments = segments, Loops = loops };
        return brace < 0 ? parsed : parsed.WithSuffix(prompt[brace..]);
    }

    /// <summary>Gives the paths of the images that a prompt names, as they are written.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <exception cref="FormatException">The prompt's notation is wrong.</exception>
    /// <exception cref="NotSupportedException">It names a video.</exception>
    public static IReadOnlyList<string> ReferencedImages(string prompt)
    {
        string[] paths = Parse(prompt).ReferencePath.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return paths.FirstOrDefault(path => s_videoExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase)) is { } video
            ? throw new NotSupportedException(
                $"The prompt names the video '{Quotation.Shorten(video)}' as a reference: only images are read. "
                + "Take the frames that you need out of it, as PNG or JPEG files.")
            : paths;
    }

    /// <summary>Adds the scores that Open-Sora was trained to see after a caption; what a segment says already is left out.</summary>
    /// <param name="aesthetic">The aesthetic score; null: none.</param>
    /// <param name="motion">The motion score; null: none.</param>
    /// <param name="camera">How the camera moves; null: not said.</param>
    /// <returns>The segments.</returns>
    public IReadOnlyList<string> AddScores(double? aesthetic = 6.5, double? motion = null, string? camera = null) =>
    [
        .. Segments.Select(segment => segment
            + (aesthetic is { } beauty && Lacks(segment, AestheticWords) ? $" {AestheticWords} {Number(beauty)}." : "")
            + (motion is { } flow && Lacks(segment, MotionWords) ? $" {MotionWords} {Number(flow)}." : "")
            + (camera is not null && Lacks(segment, CameraWords) ? $" {CameraWords} {camera}." : "")),
    ];

    /// <summary>Cleans scored segments, as the text encoder gets them.</summary>
    /// <param name="scored">What <see cref="AddScores"/> gave.</param>
    public static IReadOnlyList<string> Clean(IReadOnlyList<string> scored) =>
        [.. scored.Select(segment => CaptionCleaner.Clean(CaptionCleaner.Clean(segment)))];

    /// <summary>Joins the segments in one text again.</summary>
    /// <param name="cleaned">What <see cref="Clean"/> gave.</param>
    public string Merge(IReadOnlyList<string> cleaned) =>
        Loops is null ? cleaned[0] : string.Concat(cleaned.Select((segment, index) => $"|{Loops[index]}|{segment}"));

    /// <summary>Gives the segment that holds in a loop. VADER always generates loop 1, also of a prompt with one segment.</summary>
    /// <param name="cleaned">What <see cref="Clean"/> gave.</param>
    /// <param name="loop">The loop, from 0.</param>
    public string SelectForLoop(IReadOnlyList<string> cleaned, int loop)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(loop);
        if (Loops is null)
        {
            return cleaned[0];
        }

        // Each lasts until the next begins, counted from where the last one ended.
        int end = 0;
        for (int index = 0; index < cleaned.Count; index++)
        {
            int next = index + 1 < Loops.Count ? Loops[index + 1] : loop + 1;
            end += Math.Max(0, next - Loops[index]);
            if (loop < end)
            {
                return cleaned[index];
            }
        }

        return cleaned[^1];
    }

    /// <summary>Gives what a reward reads of a text for the encoder: without the scores.</summary>
    /// <param name="text">The text for the encoder.</param>
    public static string RewardText(string text) => CaptionText.Strip(text.Split(AestheticWords)[0]);

    private static bool Lacks(string segment, string words) => !segment.Contains(words, StringComparison.Ordinal);

    private static (IReadOnlyList<string> Segments, IReadOnlyList<int>? Loops) Split(string text)
    {
        if (!text.StartsWith("|0|", StringComparison.Ordinal))
        {
            return ([text], null);
        }

        string[] parts = text.Split('|')[1..];
        List<string> segments = [];
        List<int> loops = [];
        for (int part = 0; part < parts.Length; part += 2)
        {
            if (!int.TryParse(CaptionText.Strip(parts[part]), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int loop)
                || part + 1 == parts.Length)
            {
                throw new FormatException(
                    $"'{Quotation.Shorten(text)}': segments are written |0| text |2| text, a number and a text in turn; got "
                    + $"'{Quotation.Shorten(parts[part])}'{(part + 1 == parts.Length ? " without a text" : "")}. "
                    + "A text that is to have a bar must not start with |0|.");
            }

            loops.Add(loop);
            segments.Add(CaptionText.Strip(parts[part + 1]));
        }

        return (segments, loops);
    }

    private OpenSoraPrompt WithSuffix(string suffix)
    {
        FormatException Fault(string problem, Exception? inner = null) => new(
            $"'{Quotation.Shorten(suffix)}': what follows a brace in a prompt must be one JSON object with reference_path and mask_strategy at most; "
                + $"{problem}. Leave braces out of the text.", inner);
        if (suffix.IndexOf('{', 1) >= 0)
        {
            throw Fault("there are several braces");
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(suffix);
            OpenSoraPrompt result = this;
            foreach (JsonProperty property in json.RootElement.EnumerateObject())
            {
                if (property.Value.ValueKind != JsonValueKind.String)
                {
                    throw Fault($"{Quotation.Shorten(property.Name)} is not a text");
                }

                result = property.Name switch
                {
                    "reference_path" => result with { ReferencePath = property.Value.GetString()! },
                    "mask_strategy" => result with { MaskStrategy = property.Value.GetString()! },
                    _ => throw Fault($"it has '{Quotation.Shorten(property.Name)}'"),
                };
            }

            return result;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            // Half of a surrogate pair is not JSON either, which the parser says in other words.
            throw Fault($"it is not JSON ({exception.Message})", exception);
        }
    }

    // One decimal of the exact binary value, halves to even, as Python writes it: 6.25 -> 6.2, but 0.05, which is a little more, -> 0.1.
    private static string Number(double value)
    {
        // Of the numbers with a 5 after the first decimal only quarters are exact; .NET would round those away from zero.
        bool half = Math.Abs(value * 4 % 2) == 1;
        return (half ? Math.Round(value, 1, MidpointRounding.ToEven) : value).ToString("F1", CultureInfo.InvariantCulture);
    }
}
