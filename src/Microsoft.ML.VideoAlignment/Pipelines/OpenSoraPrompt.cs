using System.Globalization;
using System.Text.Json;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Pipelines;

/// <summary>
/// A prompt in Open-Sora's notation: <c>text {"reference_path": "...", "mask_strategy": "..."}</c>, where the text may be cut into segments that hold from a loop
/// on: <c>|0| a sunny day |2| a rainy day</c>. Reference: Open-Sora 1.2, inference_utils.
/// </summary>
internal sealed record OpenSoraPrompt
{
    private const string AestheticWords = "aesthetic score:";
    private const string MotionWords = "motion score:";
    private const string CameraWords = "camera motion:";

    private OpenSoraPrompt()
    {
    }

    /// <summary>What stands before the JSON suffix, as it is.</summary>
    public required string Text { get; init; }

    /// <summary>Images or videos to start from, divided by ';'; empty: none.</summary>
    public string ReferencePath { get; private init; } = "";

    /// <summary>Which frames are given, in Open-Sora's notation; empty: none.</summary>
    public string MaskStrategy { get; private init; } = "";

    public required IReadOnlyList<string> Segments { get; init; }

    /// <summary>The loop from which each segment holds; null: one segment for all.</summary>
    public IReadOnlyList<int>? Loops { get; private init; }

    /// <summary>Reads the notation.</summary>
    /// <exception cref="FormatException">The suffix is no JSON object with these keys, or a segment has no number or no text.</exception>
    public static OpenSoraPrompt Parse(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int brace = prompt.IndexOf('{', StringComparison.Ordinal);
        string text = brace < 0 ? prompt : prompt[..brace];
        (IReadOnlyList<string> segments, IReadOnlyList<int>? loops) = Split(text);
        var parsed = new OpenSoraPrompt { Text = text, Segments = segments, Loops = loops };
        return brace < 0 ? parsed : parsed.WithSuffix(prompt[brace..]);
    }

    /// <summary>
    /// The segments with the scores that Open-Sora was trained to see behind a caption; what a segment says already, or is null here, is left out.
    /// </summary>
    public IReadOnlyList<string> Scored(double? aesthetic = 6.5, double? motion = null, string? camera = null) =>
    [
        .. Segments.Select(segment => segment
            + (aesthetic is { } beauty && Lacks(segment, AestheticWords) ? $" {AestheticWords} {Number(beauty)}." : "")
            + (motion is { } flow && Lacks(segment, MotionWords) ? $" {MotionWords} {Number(flow)}." : "")
            + (camera is not null && Lacks(segment, CameraWords) ? $" {CameraWords} {camera}." : "")),
    ];

    /// <summary>Scored segments as the text encoder gets them.</summary>
    public static IReadOnlyList<string> Cleaned(IReadOnlyList<string> scored) => [.. scored.Select(segment => CaptionCleaner.Clean(CaptionCleaner.Clean(segment)))];

    /// <summary>The segments in one text again.</summary>
    public string Merged(IReadOnlyList<string> cleaned) => Loops is null ? cleaned[0] : string.Concat(cleaned.Select((segment, index) => $"|{Loops[index]}|{segment}"));

    /// <summary>The segment that holds in a loop. VADER always generates loop 1, also of a prompt with one segment.</summary>
    public string ForLoop(IReadOnlyList<string> cleaned, int loop)
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

    /// <summary>What a reward gets to read of a text for the encoder: without the scores.</summary>
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
            if (!int.TryParse(CaptionText.Strip(parts[part]), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int loop) || part + 1 == parts.Length)
            {
                throw new FormatException(
                    $"'{Quotation.Shorten(text)}': segments are written |0| text |2| text, a number and a text in turn; got '{Quotation.Shorten(parts[part])}'{(part + 1 == parts.Length ? " without a text" : "")}. "
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
            $"'{Quotation.Shorten(suffix)}': what follows a brace in a prompt must be one JSON object with reference_path and mask_strategy at most; {problem}. Leave braces out of the text.", inner);
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
                    throw Fault($"{Quotation.Shorten(property.Name)} is no text");
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
            // Half of a surrogate pair is no JSON either, which the parser says in other words.
            throw Fault($"it is no JSON ({exception.Message})", exception);
        }
    }

    /// <summary>One decimal of the exact binary value, halves to even, as Python writes it: 6.25 -> 6.2, but 0.05, which is a little more, -> 0.1.</summary>
    private static string Number(double value)
    {
        // Of the numbers with a 5 behind the first decimal only quarters are exact; .NET would round those away from zero.
        bool half = Math.Abs(value * 4 % 2) == 1;
        return (half ? Math.Round(value, 1, MidpointRounding.ToEven) : value).ToString("F1", CultureInfo.InvariantCulture);
    }
}
